#include "train/detail/ranks.h"

#include <span>
#include <utility>

#include "machine/resident_memory.h"
#include "train/detail/data_parallel.h"

namespace panal::train::detail {

void Ranks::announce_life() const {
  if (!is_alone()) group_->announce_life();
}

Status Ranks::order(Order order) const {
  if (is_alone()) return Status();
  return group_->broadcast_bytes(std::as_writable_bytes(std::span(&order, 1)), 0);
}

Result<Order> Ranks::next_order() const {
  Order next = Order::kEnd;
  PANAL_TRY(group_->broadcast_bytes(std::as_writable_bytes(std::span(&next, 1)), 0));
  return next;
}

Status Ranks::meet() const { return is_alone() ? Status() : group_->barrier(); }

Status Ranks::adopt_number(std::int64_t& number) const {
  if (is_alone()) return Status();
  return group_->broadcast_bytes(std::as_writable_bytes(std::span(&number, 1)), 0);
}

Result<std::string> Ranks::adopt_text(std::string text) const {
  if (is_alone()) return text;
  return broadcast_text(*group_, leads() ? std::move(text) : std::string());
}

Result<std::vector<std::int64_t>> Ranks::gather_peaks() const {
  std::vector<std::int64_t> peaks(static_cast<std::size_t>(size()));
  peaks[static_cast<std::size_t>(rank())] = machine::peak_resident_bytes().value_or(0);
  if (is_alone()) return peaks;
  const auto bytes = std::as_writable_bytes(std::span(peaks));
  PANAL_TRY(group_->all_gather_bytes(bytes, swarm::equal_parts(bytes.size(), size())));
  return peaks;
}

Result<std::vector<std::int64_t>> Ranks::ask_for_peaks() const {
  if (!is_alone() && !others_follow_) return std::vector<std::int64_t>();
  PANAL_TRY(order(Order::kTellPeak));
  return gather_peaks();
}

}  // namespace panal::train::detail
