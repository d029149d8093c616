#include "optim/detail/newton_schulz.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "tensor/gram.h"

namespace panal::optim::detail {
namespace {

struct Polynomial {
  double a, b, c;
};

// Steepest at 0, so that small singular values grow fastest.
constexpr Polynomial kJordan{3.4445, -4.7750, 2.0315};
constexpr Polynomial kSlow{2.0, -1.5, 0.5};

// Amsel et al.'s for five steps, with 2 % of safety against rounding.
constexpr std::array<Polynomial, 5> kShortExpress{{
    {8.156554524902461, -22.48329292557795, 15.878769915207462},
    {4.042929935166739, -2.808917465908714, 0.5000178451051316},
    {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
    {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
    {2.3465413258596377, -1.7097828382687081, 0.42323551169305323},
}};

// Theirs for eight, before the 1 % of safety that folded() adds to all but the last.
constexpr std::array<Polynomial, 8> kLongExpress{{
    {8.28721201814563, -23.595886519098837, 17.300387312530933},
    {4.107059111542203, -2.9478499167379106, 0.5448431082926601},
    {3.9486908534822946, -2.908902115962949, 0.5518191394370137},
    {3.3184196573706015, -2.488488024314874, 0.51004894012372},
    {2.300652019954817, -1.6689039845747493, 0.4188073119525673},
    {1.891301407787398, -1.2679958271945868, 0.37680408948524835},
    {1.8750014808534479, -1.2500016453999487, 0.3750001645474248},
    {1.875, -1.25, 0.375},
}};

Polynomial folded(const Polynomial& p) {
  constexpr double kSafety = 1.01;
  return {p.a / kSafety, p.b / std::pow(kSafety, 3), p.c / std::pow(kSafety, 5)};
}

bool is_short_express(const recipe::MuonConfig& config) {
  return config.newton_schulz_steps <= static_cast<int>(kShortExpress.size());
}

Polynomial polynomial_of(const recipe::MuonConfig& config, int step) {
  if (config.orthogonalization == recipe::Orthogonalization::kOriginal) return kJordan;
  if (config.orthogonalization == recipe::Orthogonalization::kExact) return kSlow;
  const auto at = static_cast<std::size_t>(step);
  if (is_short_express(config)) return kShortExpress[at];
  return at + 1 < kLongExpress.size() ? folded(kLongExpress[at]) : kLongExpress.back();
}

// What the matrix is divided by first, so that no singular value is over 1: factor * norm +
// epsilon.
struct Divisor {
  double factor, epsilon;
};
Divisor divisor(const recipe::MuonConfig& config) {
  if (config.orthogonalization != recipe::Orthogonalization::kPolarExpress) return {1.0, 1e-7};
  return is_short_express(config) ? Divisor{1.02, 1e-6} : Divisor{1.01, 1e-7};
}

}  // namespace

at::Tensor orthogonalize(const at::Tensor& matrices, const recipe::MuonConfig& config) {
  const auto [factor, epsilon] = divisor(config);
  at::Tensor x = tensor::normalised(matrices, factor, epsilon, config.precision);
  for (int i = 0; i < config.newton_schulz_steps; ++i) {
    const auto [a, b, c] = polynomial_of(config, i);
    x = tensor::added_product(x, a, tensor::gram_polynomial(tensor::gram(x), b, c));
  }
  x = x.to(matrices.scalar_type());
  return matrices.size(1) > matrices.size(2) ? x.mT() : x;
}

bool is_stored_transposed(std::string_view name) {
  for (const std::string_view layer : {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"}) {
    if (name.ends_with(layer)) return true;
  }
  return false;
}

at::Tensor outputs_first(std::string_view name, const at::Tensor& matrix) {
  return matrix.dim() >= 2 && is_stored_transposed(name) ? matrix.mT() : matrix;
}

std::int64_t num_blocks(std::string_view name, const recipe::MuonConfig& config) {
  return config.splits_fused_attention && name.ends_with(".c_attn.weight") ? 3 : 1;
}

at::Tensor orthogonalize_blocks(const at::Tensor& matrices, std::int64_t blocks,
                                const recipe::MuonConfig& config) {
  const std::int64_t count = matrices.size(0), rows = matrices.size(1), columns = matrices.size(2);
  if (blocks == 1 || rows % blocks != 0) return orthogonalize(matrices, config);
  if (tensor::gains_from_several(matrices)) {
    // In one layout for any count, because sums over a matrix go along its memory.
    const at::Tensor parts = matrices.contiguous().view({count * blocks, rows / blocks, columns});
    return orthogonalize(parts, config).reshape({count, rows, columns});
  }
  std::vector<at::Tensor> parts;  // One after the other takes less memory.
  for (const at::Tensor& part : matrices.chunk(blocks, 1)) {
    parts.push_back(orthogonalize(part, config));
  }
  return at::cat(parts, 1);
}

double update_scale(recipe::MuonScale scale, const at::Tensor& matrix, std::int64_t blocks) {
  const auto rows = static_cast<double>(matrix.size(0)) / static_cast<double>(blocks);
  const auto columns = static_cast<double>(matrix.size(1));
  if (scale == recipe::MuonScale::kMatchAdamW) return 0.2 * std::sqrt(std::max(rows, columns));
  return std::sqrt(std::max(1.0, rows / columns));
}

}  // namespace panal::optim::detail
