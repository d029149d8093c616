// Each collective is a list of pieces for the ring; what differs between them is only that list.
#include "swarm/group.h"

#include <bit>

#include "base/check.h"
#include "base/hash.h"
#include "swarm/detail/group_state.h"

namespace panal::swarm {
namespace {

using detail::Call;
using detail::Piece;

// Parts of an array in bytes, by ring position: piece_of(i) takes i modulo the number of parts.
class Parts {
 public:
  Parts(std::span<const std::size_t> ends, std::size_t element_bytes)
      : ends_(ends), element_bytes_(element_bytes) {}
  Piece piece(int index, bool adds = false) const {
    const int n = static_cast<int>(ends_.size());
    const auto i = static_cast<std::size_t>(((index % n) + n) % n);
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {begin * element_bytes_, (ends_[i] - begin) * element_bytes_, adds};
  }

 private:
  const std::span<const std::size_t> ends_;
  const std::size_t element_bytes_;
};

std::uint64_t layout_of(std::span<const std::size_t> ends, std::size_t element_bytes, int root) {
  std::vector<std::uint64_t> words(ends.begin(), ends.end());
  words.push_back(element_bytes);
  words.push_back(static_cast<std::uint64_t>(root));
  return xxh3_64(std::as_bytes(std::span(words)));
}

void check_ends(std::span<const std::size_t> ends, std::size_t count, int size) {
  PANAL_CHECK(static_cast<int>(ends.size()) == size && ends.back() == count,
              "a group's parts must be one per rank and end with the array");
  for (std::size_t i = 1; i < ends.size(); ++i) {
    PANAL_CHECK(ends[i - 1] <= ends[i], "the ends of parts must ascend");
  }
}

// Rank r starts with part r + shift; in each step a rank passes on what came in the step before.
Status go_round(detail::Ring& ring, Call call, std::span<std::byte> data,
                std::span<const std::size_t> ends, std::size_t element_bytes) {
  const int n = ring.size();
  const Parts parts(ends, element_bytes);
  detail::Traffic traffic{.call = call, .layout = layout_of(ends, element_bytes, 0)};
  // Summing starts one part behind the rank's own, so that the rank's own part ends here.
  const int first = call == Call::kAllGather ? ring.rank() : ring.rank() - 1;
  const int steps = call == Call::kAllReduce ? 2 * (n - 1) : n - 1;
  for (int step = 0; step < steps; ++step) {
    traffic.sends.push_back(parts.piece(first - step));
    const bool adds = call != Call::kAllGather && step < n - 1;
    traffic.receives.push_back(parts.piece(first - step - 1, adds));
  }
  traffic.head_start_bytes = traffic.sends.front().num_bytes;
  return ring.run(traffic, data);
}

float float_of_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t bfloat16_of_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace

std::vector<std::size_t> equal_parts(std::size_t count, int size) {
  std::vector<std::size_t> ends;
  const auto n = static_cast<std::size_t>(size);
  for (std::size_t i = 1; i <= n; ++i) ends.push_back(count / n * i + count % n * i / n);
  return ends;
}

Group::Group(std::unique_ptr<State> state) : state_(std::move(state)) {}
Group::Group(Group&&) noexcept = default;
Group& Group::operator=(Group&&) noexcept = default;
Group::~Group() = default;

int Group::rank() const { return state_->rank(); }
int Group::size() const { return state_->size(); }
std::chrono::milliseconds Group::deadline() const { return state_->deadline; }
Clock& Group::clock() const { return *state_->clock; }
Status Group::look_after_others() {
  return state_->ring ? state_->ring->look_after_others() : Status();
}

void Group::announce_life() {
  if (state_->ring) state_->ring->announce_life();
}

Status Group::all_reduce(std::span<float> values) {
  if (size() == 1) return Status();
  return go_round(*state_->ring, Call::kAllReduce, std::as_writable_bytes(values),
                  equal_parts(values.size(), size()), sizeof(float));
}

Status Group::all_reduce_bfloat16(std::span<std::uint16_t> values) {
  if (size() == 1) return Status();
  auto& sums = state_->sums;
  sums.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) sums[i] = float_of_bfloat16(values[i]);
  const auto ends = equal_parts(values.size(), size());
  PANAL_TRY(reduce_scatter(sums, ends));
  const auto own = static_cast<std::size_t>(rank());
  for (std::size_t i = own == 0 ? 0 : ends[own - 1]; i < ends[own]; ++i) {
    values[i] = bfloat16_of_float(sums[i]);
  }
  return go_round(*state_->ring, Call::kAllGather, std::as_writable_bytes(values), ends,
                  sizeof(std::uint16_t));
}

Status Group::reduce_scatter(std::span<float> values, std::span<const std::size_t> ends) {
  check_ends(ends, values.size(), size());
  if (size() == 1) return Status();
  return go_round(*state_->ring, Call::kReduceScatter, std::as_writable_bytes(values), ends,
                  sizeof(float));
}

Status Group::all_gather(std::span<float> values, std::span<const std::size_t> ends) {
  check_ends(ends, values.size(), size());
  if (size() == 1) return Status();
  return go_round(*state_->ring, Call::kAllGather, std::as_writable_bytes(values), ends,
                  sizeof(float));
}

Status Group::all_gather_bytes(std::span<std::byte> values, std::span<const std::size_t> ends) {
  check_ends(ends, values.size(), size());
  if (size() == 1) return Status();
  return go_round(*state_->ring, Call::kAllGather, values, ends, 1);
}

Status Group::broadcast(std::span<float> values, int root) {
  return broadcast_bytes(std::as_writable_bytes(values), root);
}

Status Group::broadcast_bytes(std::span<std::byte> values, int root) {
  PANAL_CHECK(root >= 0 && root < size(), "a broadcast's root must be a rank of the group");
  if (size() == 1) return Status();
  const Piece all{.begin = 0, .num_bytes = values.size()};
  const std::size_t ends[] = {values.size()};
  detail::Traffic traffic{.call = Call::kBroadcast, .layout = layout_of(ends, 1, root)};
  if ((rank() + 1) % size() != root) traffic.sends.push_back(all);
  if (rank() != root) traffic.receives.push_back(all);
  if (rank() == root) traffic.head_start_bytes = values.size();
  return state_->ring->run(traffic, values);
}

// Who has got something from everybody knows that everybody was here.
Status Group::barrier() {
  std::vector<std::byte> presence(static_cast<std::size_t>(size()), std::byte{1});
  return all_gather_bytes(presence, equal_parts(presence.size(), size()));
}

Result<double> Group::sum(double value) {
  std::vector<double> terms(static_cast<std::size_t>(size()));
  terms[static_cast<std::size_t>(rank())] = value;
  const auto bytes = std::as_writable_bytes(std::span(terms));
  PANAL_TRY(all_gather_bytes(bytes, equal_parts(bytes.size(), size())));
  double sum = 0;
  for (const double term : terms) sum += term;
  return sum;
}

}  // namespace panal::swarm
