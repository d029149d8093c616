// The processes that share a run: rank 0 leads, as if it were alone, and tells the others what to
// do next; they decide nothing, so no two ranks can decide differently. With one process every
// order is obeyed already.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "swarm/group.h"

namespace panal::train::detail {

/// What rank 0 has the others do next.
enum class Order : std::uint8_t {
  kStep = 1,
  kGather,
  kAgree,
  kAdoptPlan,
  kShowEvaluationPoint,
  kShowTrainingPoint,
  kTellPeak,
  kEnd
};

class Ranks {
 public:
  /// Null: one process. The group outlives it.
  explicit Ranks(swarm::Group* group) : group_(group) {}

  int size() const { return group_ == nullptr ? 1 : group_->size(); }
  int rank() const { return group_ == nullptr ? 0 : group_->rank(); }
  bool is_alone() const { return size() == 1; }
  bool leads() const { return rank() == 0; }
  swarm::Group* group() const { return group_; }
  void announce_life() const;

  /// From here on the others wait for orders.
  void begin_orders() { others_follow_ = true; }
  Status order(Order order) const;
  /// On the others: the next order.
  Result<Order> next_order() const;

  // On all ranks.
  Status meet() const;
  /// Rank 0's number becomes everybody's.
  Status adopt_number(std::int64_t& number) const;
  /// Rank 0's text, on all of them.
  Result<std::string> adopt_text(std::string text) const;
  /// The most each rank has had resident, in their order; 0 where that is not known.
  Result<std::vector<std::int64_t>> gather_peaks() const;

  /// The same, asked for by rank 0; empty while the others do not wait for orders.
  Result<std::vector<std::int64_t>> ask_for_peaks() const;

 private:
  swarm::Group* group_;
  bool others_follow_ = false;
};

}  // namespace panal::train::detail
