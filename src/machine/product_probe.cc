#include "machine/product_probe.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "kernels/cpu/product.h"

namespace panal::machine {
namespace {

using kernels::cpu::kProductGroup;
using kernels::cpu::kProductPanel;

constexpr std::int64_t kPanels = 5, kColumns = kPanels * kProductPanel;
constexpr std::int64_t kFewestPasses = 3, kMostPasses = 40;
constexpr double kEnoughSeconds = 0.015;
// A line of a panel's steps, as products of training cut them.
constexpr std::size_t kStepBytes = 4096;

template <typename Element>
class Product {
 public:
  Product()
      : right_(kColumns * kSteps),
        packed_(static_cast<std::size_t>(kernels::cpu::packed_elements(kColumns, kSteps))) {
    // Zeros of either type: what is multiplied does not change how long it takes.
    kernels::cpu::pack_share({.data = right_.data(), .stride = kSteps}, kColumns, kSteps,
                             {.part = 0, .parts = 1}, packed_.data());
  }

  static constexpr double kFlops = 2.0 * kProductGroup * kColumns * (kStepBytes / sizeof(Element));

  // Of a thread of its own: the fastest of its passes, in seconds.
  double fastest_pass(const Clock& clock) const {
    const std::vector<Element> left(kProductGroup * kSteps);
    std::vector<float> sums(kProductGroup * kColumns);
    double fastest = std::numeric_limits<double>::infinity();
    double spent = 0;
    for (std::int64_t pass = 0; pass < kMostPasses; ++pass) {
      if (pass >= kFewestPasses && spent > kEnoughSeconds) break;
      const Nanoseconds begin = clock.steady_now();
      kernels::cpu::multiply_group(kernels::cpu::ProductGroup<Element>{
          .left = {.data = left.data(), .stride = kSteps},
          .rows = kProductGroup,
          .columns = kColumns,
          .steps = kSteps,
          .packed = packed_.data(),
          .first_panel = 0,
          .last_panel = kPanels,
          .target = {.floats = sums.data(), .stride = kColumns}});
      const double taken = seconds(clock.steady_now() - begin);
      fastest = std::min(fastest, taken);
      spent += taken;
    }
    return fastest;
  }

 private:
  static constexpr std::int64_t kSteps = kStepBytes / sizeof(Element);
  const std::vector<Element> right_;
  std::vector<Element> packed_;
};

template <typename Element>
std::optional<double> flops_of(int threads, const Clock& clock) {
  const Product<Element> product;
  std::vector<double> fastest(static_cast<std::size_t>(threads));
  {
    std::vector<std::jthread> workers;
    for (double& own : fastest) {
      workers.emplace_back([&] { own = product.fastest_pass(clock); });
    }
  }
  double flops = 0;
  for (const double taken : fastest) {
    if (!(taken > 0)) return std::nullopt;
    flops += Product<Element>::kFlops / taken;
  }
  return flops;
}

}  // namespace

std::optional<double> probe_product_flops(tensor::Precision precision, int threads,
                                          const Clock& clock) {
  return precision == tensor::Precision::kBFloat16 ? flops_of<std::uint16_t>(threads, clock)
                                                   : flops_of<float>(threads, clock);
}

}  // namespace panal::machine
