// Products over stored blocks equal products over the floats the blocks stand for.
#include "tensor/packed_weight.h"

#include <c10/util/Half.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/cpu/dispatch.h"

namespace panal::tensor {
namespace {

using Blocks = PackedWeight::Blocks;

struct Quantised {
  std::vector<std::byte> bytes;
  at::Tensor floats;
};

void append_half(std::vector<std::byte>& bytes, float value) {
  const std::uint16_t bits = c10::detail::fp16_ieee_from_fp32_value(value);
  bytes.push_back(static_cast<std::byte>(bits & 255));
  bytes.push_back(static_cast<std::byte>(bits >> 8));
}

// Scales are powers of two, so that the expected floats are exact.
Quantised random_blocks(Blocks kind, std::int64_t out, std::int64_t in, std::uint64_t seed) {
  Rng rng(seed);
  Quantised made{.bytes = {}, .floats = at::empty({out, in})};
  float* to = made.floats.data_ptr<float>();
  for (std::int64_t block = 0; block < out * in / 32; ++block, to += 32) {
    const float scale = std::ldexp(1.0f, static_cast<int>(rng.below(6)) - 8);
    const float offset = kind == Blocks::kQ4_0 ? -8 * scale : -0.25f;
    append_half(made.bytes, scale);
    if (kind == Blocks::kQ4_1) append_half(made.bytes, offset);
    if (kind == Blocks::kQ8_0) {
      for (int i = 0; i < 32; ++i) {
        const auto value = static_cast<std::int8_t>(static_cast<int>(rng.below(256)) - 128);
        made.bytes.push_back(static_cast<std::byte>(value));
        to[i] = scale * static_cast<float>(value);
      }
      continue;
    }
    for (int i = 0; i < 16; ++i) {
      const auto low = static_cast<int>(rng.below(16)), high = static_cast<int>(rng.below(16));
      made.bytes.push_back(static_cast<std::byte>(low | high << 4));
      to[i] = scale * static_cast<float>(low) + offset;
      to[i + 16] = scale * static_cast<float>(high) + offset;
    }
  }
  return made;
}

class BlockProducts : public testing::TestWithParam<std::tuple<Blocks, kernels::cpu::Level>> {
 protected:
  void SetUp() override { kernels::cpu::set_level_for_test(std::get<1>(GetParam())); }
  void TearDown() override {
    kernels::cpu::set_level_for_test(kernels::cpu::Level::kAvx512BFloat16);
  }
};

// 37 outputs do not fill the last group of 16; 1 to 9 rows reach every copy of the loop and the
// products on floats.
TEST_P(BlockProducts, EqualTheFloatProduct) {
  const Quantised made = random_blocks(std::get<0>(GetParam()), 37, 96, 3);
  PackedWeight weight(made.floats.clone());
  weight.add_blocks(std::get<0>(GetParam()), made.bytes);
  EXPECT_EQ(weight.out_width(), 37);
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 20}) {
    const at::Tensor x = at::randn({rows, 96});
    const at::Tensor wanted = at::mm(x.to(at::kDouble), made.floats.to(at::kDouble).t());
    EXPECT_LT((weight.multiply(x).to(at::kDouble) - wanted).abs().max().item<double>(),
              2e-6 * wanted.abs().max().item<double>() + 1e-5)
        << rows;
  }
}

INSTANTIATE_TEST_SUITE_P(
    KindsAndLevels, BlockProducts,
    testing::Combine(testing::Values(Blocks::kQ4_0, Blocks::kQ4_1, Blocks::kQ8_0),
                     testing::Values(kernels::cpu::Level::kBaseline, kernels::cpu::Level::kAvx2,
                                     kernels::cpu::Level::kAvx512)));

TEST(PackedWeight, RefusesBytesThatAreNotItsBlocks) {
  PackedWeight weight(at::zeros({4, 64}));
  const std::vector<std::byte> bytes(4 * 2 * 20 - 1);
  EXPECT_THROW(weight.add_blocks(Blocks::kQ4_1, bytes), Error);
  PackedWeight odd(at::zeros({4, 40}));
  EXPECT_THROW(odd.add_blocks(Blocks::kQ8_0, bytes), Error);
  EXPECT_THROW(weight.multiply(at::zeros({1, 63})), Error);
}

}  // namespace
}  // namespace panal::tensor
