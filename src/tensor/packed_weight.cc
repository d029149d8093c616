#include "tensor/packed_weight.h"

#include <c10/util/Half.h>
#include <fmt/core.h>
#include <torch/types.h>

#include <cstring>

#include "base/error.h"
#include "kernels/compute_pool.h"
#include "kernels/cpu/matvec.h"
#include "tensor/linear.h"

namespace panal::tensor {
namespace {

// Up to this many rows a product is bound by reading the weight; above, oneDNN on floats is faster.
constexpr std::int64_t kMaxBlockRows = 8;
constexpr std::int64_t kMaxFloatRows = 2;
constexpr std::int64_t kWeightsPerThread = 1 << 15;

float half_at(const std::byte* from) {
  std::uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return c10::detail::fp16_ieee_to_fp32_value(bits);
}

}  // namespace

struct PackedWeight::Packed {
  at::Tensor weight;  // [out, in]
  Blocks kind = Blocks::kNone;
  at::Tensor words;    // int32, laid out as kernels/cpu/matvec.h says.
  at::Tensor scales;   // [groups, blocks, 16]
  at::Tensor offsets;  // The same; 4-bit blocks only.
  std::int64_t groups = 0;

  bool is_nibbles() const { return kind == Blocks::kQ4_0 || kind == Blocks::kQ4_1; }

  void put_nibbles(const std::byte* block, std::int64_t place, std::int64_t lane) {
    const std::int64_t slot = place * kernels::cpu::kGroup + lane;
    const float scale = half_at(block);
    scales.data_ptr<float>()[slot] = scale;
    // Q4_0 stores no offset: its nibbles are centred on 8.
    offsets.data_ptr<float>()[slot] = kind == Blocks::kQ4_1 ? half_at(block + 2) : -8.0f * scale;
    const std::byte* nibbles = block + (kind == Blocks::kQ4_1 ? 4 : 2);
    std::uint8_t values[32];
    for (int i = 0; i < 16; ++i) {
      const auto byte = static_cast<std::uint8_t>(nibbles[i]);
      values[i] = byte & 15;
      values[i + 16] = byte >> 4;
    }
    for (int word = 0; word < 4; ++word) {
      std::uint32_t bits = 0;
      for (int j = 0; j < 8; ++j) bits |= std::uint32_t{values[word * 8 + j]} << (4 * j);
      std::memcpy(words.data_ptr<std::int32_t>() + (place * 4 + word) * kernels::cpu::kGroup + lane,
                  &bits, 4);
    }
  }

  void put_bytes(const std::byte* block, std::int64_t place, std::int64_t lane) {
    scales.data_ptr<float>()[place * kernels::cpu::kGroup + lane] = half_at(block);
    for (int word = 0; word < 8; ++word) {
      std::memcpy(words.data_ptr<std::int32_t>() + (place * 8 + word) * kernels::cpu::kGroup + lane,
                  block + 2 + word * 4, 4);
    }
  }

  at::Tensor multiply_blocks(const at::Tensor& x) const {
    const std::int64_t rows = x.size(0), in = weight.size(1), out = weight.size(0);
    at::Tensor y = at::empty({rows, out}, x.options());
    const float* from = x.const_data_ptr<float>();
    float* to = y.data_ptr<float>();
    at::Tensor sums;
    if (is_nibbles()) {
      sums = at::empty({rows, in / kernels::cpu::kBlock}, x.options());
      kernels::cpu::sum_blocks(from, rows, in, sums.data_ptr<float>());
    }
    const std::int64_t grain =
        std::max<std::int64_t>(1, kWeightsPerThread / (in * kernels::cpu::kGroup));
    kernels::for_chunks(groups, grain, [&](std::int64_t begin, std::int64_t end, int) {
      if (is_nibbles()) {
        kernels::cpu::matvec_nibbles(words.const_data_ptr<std::int32_t>(),
                                     scales.const_data_ptr<float>(),
                                     offsets.const_data_ptr<float>(), from,
                                     sums.const_data_ptr<float>(), rows, in, begin, end, out, to);
      } else {
        kernels::cpu::matvec_bytes(words.const_data_ptr<std::int32_t>(),
                                   scales.const_data_ptr<float>(), from, rows, in, begin, end, out,
                                   to);
      }
    });
    return y;
  }

  at::Tensor multiply_floats(const at::Tensor& x) const {
    const std::int64_t rows = x.size(0), in = weight.size(1), out = weight.size(0);
    at::Tensor y = at::empty({rows, out}, x.options());
    const std::int64_t grain = std::max<std::int64_t>(1, kWeightsPerThread / in);
    kernels::for_chunks(out, grain, [&](std::int64_t begin, std::int64_t end, int) {
      kernels::cpu::matvec_float(weight.const_data_ptr<float>(), x.const_data_ptr<float>(), rows,
                                 in, begin, end, y.data_ptr<float>(), out);
    });
    return y;
  }
};

PackedWeight::PackedWeight(at::Tensor weight) : packed_(std::make_unique<Packed>()) {
  PANAL_REQUIRE(weight.dim() == 2 && weight.scalar_type() == at::kFloat && weight.is_cpu(),
                "packed weight: wanted a float32 matrix on the CPU");
  packed_->weight = weight.contiguous();
}

PackedWeight::PackedWeight(PackedWeight&&) noexcept = default;
PackedWeight& PackedWeight::operator=(PackedWeight&&) noexcept = default;
PackedWeight::~PackedWeight() = default;

void PackedWeight::add_blocks(Blocks kind, std::span<const std::byte> rows) {
  const std::int64_t out = out_width(), in = in_width();
  const std::int64_t block_bytes = kind == Blocks::kQ4_0 ? 18 : kind == Blocks::kQ4_1 ? 20 : 34;
  PANAL_REQUIRE(
      kind != Blocks::kNone && in % kernels::cpu::kBlock == 0 &&
          static_cast<std::int64_t>(rows.size()) == out * in / kernels::cpu::kBlock * block_bytes,
      fmt::format("packed weight: {} bytes are not the blocks of [{}, {}]", rows.size(), out, in));
  const std::int64_t blocks = in / kernels::cpu::kBlock;
  packed_->kind = kind;
  packed_->groups = (out + kernels::cpu::kGroup - 1) / kernels::cpu::kGroup;
  const bool nibbles = packed_->is_nibbles();
  const std::int64_t slots = packed_->groups * blocks * kernels::cpu::kGroup;
  packed_->words = at::zeros({slots * (nibbles ? 4 : 8)}, at::kInt);
  packed_->scales = at::zeros({slots}, at::kFloat);
  if (nibbles) packed_->offsets = at::zeros({slots}, at::kFloat);
  kernels::for_chunks(out, 64, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t b = 0; b < blocks; ++b) {
        const std::byte* block = rows.data() + (row * blocks + b) * block_bytes;
        const std::int64_t place = row / kernels::cpu::kGroup * blocks + b,
                           lane = row % kernels::cpu::kGroup;
        if (nibbles) {
          packed_->put_nibbles(block, place, lane);
        } else {
          packed_->put_bytes(block, place, lane);
        }
      }
    }
  });
}

std::int64_t PackedWeight::in_width() const { return packed_->weight.size(1); }
std::int64_t PackedWeight::out_width() const { return packed_->weight.size(0); }
const at::Tensor& PackedWeight::floats() const { return packed_->weight; }

at::Tensor PackedWeight::multiply(const at::Tensor& x) const {
  PANAL_REQUIRE(x.dim() == 2 && x.size(1) == in_width() && x.is_contiguous(),
                fmt::format("packed weight: wanted contiguous rows of width {}", in_width()));
  if (packed_->kind != Blocks::kNone && x.size(0) <= kMaxBlockRows)
    return packed_->multiply_blocks(x);
  if (x.size(0) <= kMaxFloatRows) return packed_->multiply_floats(x);
  return product_nt(x, packed_->weight);
}

}  // namespace panal::tensor
