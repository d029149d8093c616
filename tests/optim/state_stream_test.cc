// States that live in the host's memory come for their visit and go home with what was made of
// them, the largest ones through the same room.
#include "optim/detail/state_stream.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <vector>

namespace panal::optim::detail {
namespace {

TEST(AwayStates, ComeForTheirVisitAndGoHomeChanged) {
  const at::Tensor momentum = at::full({3, 5}, 2.0), bits = at::full({7}, 3, at::kShort);
  AwayStates states({momentum, bits});
  EXPECT_EQ(momentum.numel(), 0);
  EXPECT_EQ(bits.numel(), 0);
  AwayStates* const all = &states;
  int visits = 0;
  visit_away_states({&all, 1}, at::kCPU, [&](std::size_t) {
    ++visits;
    EXPECT_TRUE(momentum.equal(at::full({3, 5}, 2.0)));
    EXPECT_TRUE(bits.equal(at::full({7}, 3, at::kShort)));
    momentum.add_(1);
    bits.mul_(2);
  });
  EXPECT_EQ(visits, 1);
  EXPECT_EQ(momentum.numel(), 0);
  EXPECT_TRUE(states.homes()[0].equal(at::full({3, 5}, 3.0)));
  EXPECT_TRUE(states.homes()[1].equal(at::full({7}, 6, at::kShort)));
}

TEST(AwayStates, AreVisitedOnceEachWithTheTwoLargestNeverSideBySide) {
  for (const std::vector<std::int64_t>& sizes :
       std::vector<std::vector<std::int64_t>>{{5000, 10, 20, 6000},
                                              {6000, 10, 20, 30, 5000},
                                              {10, 6000, 5000},
                                              {7, 7, 7, 7, 7, 7},
                                              {40, 30},
                                              {5}}) {
    std::vector<at::Tensor> handles;
    std::vector<AwayStates> states;
    for (const std::int64_t size : sizes) {
      handles.push_back(at::full({size}, static_cast<double>(states.size())));
      states.emplace_back(std::vector<at::Tensor>{handles.back()});
    }
    std::vector<AwayStates*> all;
    for (AwayStates& one : states) all.push_back(&one);
    std::vector<std::size_t> order;
    visit_away_states(all, at::kCPU, [&](std::size_t i) {
      order.push_back(i);
      EXPECT_TRUE(handles[i].equal(at::full({sizes[i]}, static_cast<double>(i))));
      handles[i].add_(100);
    });
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      EXPECT_EQ(std::ranges::count(order, i), 1);
      EXPECT_TRUE(states[i].homes()[0].equal(at::full({sizes[i]}, 100.0 + static_cast<double>(i))));
    }
    for (std::size_t place = 1; place < order.size() && order.size() > 2; ++place) {
      EXPECT_FALSE(sizes[order[place - 1]] >= 5000 && sizes[order[place]] >= 5000)
          << "of " << sizes.size() << ", place " << place;
    }
  }
}

}  // namespace
}  // namespace panal::optim::detail
