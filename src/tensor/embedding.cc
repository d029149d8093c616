#include "tensor/embedding.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "tensor/device/launch.h"
#include "tensor/row_grain.h"

namespace panal::tensor {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Positions in the order of their indices, equal ones as they came.
std::vector<std::int64_t> sorted_positions(const std::int64_t* index, std::int64_t count) {
  std::vector<std::int64_t> positions(static_cast<std::size_t>(count));
  std::iota(positions.begin(), positions.end(), 0);
  std::ranges::stable_sort(positions, {}, [&](std::int64_t at) { return index[at]; });
  return positions;
}

// gradient [N, width] float32, indices [N]: [rows, width] bfloat16. torch would add up in bfloat16,
// where a common token loses most of its sum.
at::Tensor rounded_sums(const at::Tensor& gradient, const at::Tensor& indices, std::int64_t rows) {
  const std::int64_t width = gradient.size(1);
  const auto* index = indices.const_data_ptr<std::int64_t>();
  const auto* from = gradient.const_data_ptr<float>();
  const std::vector<std::int64_t> positions = sorted_positions(index, indices.numel());
  std::vector<std::size_t> begins;  // Of each run of equal indices, and the end.
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (i == 0 || index[positions[i]] != index[positions[i - 1]]) begins.push_back(i);
  }
  begins.push_back(positions.size());
  at::Tensor sums = at::zeros({rows, width}, at::kBFloat16);
  auto* const to = sums.data_ptr<at::BFloat16>();
  const auto runs = static_cast<std::int64_t>(begins.size()) - 1;
  at::parallel_for(0, runs, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> sum(static_cast<std::size_t>(width));
    for (auto run = static_cast<std::size_t>(begin); run < static_cast<std::size_t>(end); ++run) {
      std::ranges::fill(sum, 0.0f);
      for (std::size_t i = begins[run]; i < begins[run + 1]; ++i) {
        const float* row = from + positions[i] * width;
        for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += row[j];
      }
      std::ranges::copy(sum, to + index[positions[begins[run]]] * width);
    }
  });
  return sums;
}

class RoundedEmbedding : public torch::autograd::Function<RoundedEmbedding> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& table,
                            const at::Tensor& indices) {
    context->save_for_backward({indices});
    context->saved_data["rows"] = table.size(0);
    return table.index_select(0, indices).to(at::kFloat);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor indices = context->get_saved_variables()[0];
    const std::int64_t rows = context->saved_data["rows"].toInt();
    if (on_device::takes(indices)) {
      constexpr std::int64_t kNoPadding = -1;
      return {at::embedding_dense_backward(gradients[0].contiguous(), indices, rows, kNoPadding,
                                           /*scale_grad_by_freq=*/false)
                  .to(at::kBFloat16),
              at::Tensor()};
    }
    return {rounded_sums(gradients[0].contiguous(), indices, rows), at::Tensor()};
  }
};

}  // namespace

at::Tensor embedding(const at::Tensor& table, const at::Tensor& indices) {
  if (table.scalar_type() == at::kFloat) return at::embedding(table, indices);
  std::vector<std::int64_t> shape = indices.sizes().vec();
  shape.push_back(table.size(1));
  return RoundedEmbedding::apply(table, indices.reshape({-1}).contiguous()).view(shape);
}

}  // namespace panal::tensor
