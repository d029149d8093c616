#include "tensor/embedding.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/compute_pool.h"
#include "tensor/device/launch.h"

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

// The gradient of a table: the rows of `sums`, and where each belongs, ascending.
struct RowSums {
  at::Tensor rows;  // [different indices] int64
  at::Tensor sums;  // [different indices, width]
};

// gradient [N, width] float32, indices [N]. torch would add up in the table's type, where in
// bfloat16 a common token loses most of its sum.
RowSums summed_rows(const at::Tensor& gradient, const at::Tensor& indices, at::ScalarType type) {
  const std::int64_t width = gradient.size(1);
  const auto* index = indices.const_data_ptr<std::int64_t>();
  const auto* from = gradient.const_data_ptr<float>();
  const std::vector<std::int64_t> positions = sorted_positions(index, indices.numel());
  std::vector<std::size_t> begins;  // Of each run of equal indices, and the end.
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (i == 0 || index[positions[i]] != index[positions[i - 1]]) begins.push_back(i);
  }
  begins.push_back(positions.size());
  const auto runs = static_cast<std::int64_t>(begins.size()) - 1;
  RowSums result{.rows = at::empty({runs}, at::kLong), .sums = at::empty({runs, width}, type)};
  auto* const rows = result.rows.data_ptr<std::int64_t>();
  kernels::for_rows(runs, width, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> sum(static_cast<std::size_t>(width));
    for (auto run = static_cast<std::size_t>(begin); run < static_cast<std::size_t>(end); ++run) {
      std::ranges::fill(sum, 0.0f);
      for (std::size_t i = begins[run]; i < begins[run + 1]; ++i) {
        const float* row = from + positions[i] * width;
        for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += row[j];
      }
      rows[run] = index[positions[begins[run]]];
      const auto place = static_cast<std::int64_t>(run) * width;
      if (type == at::kFloat) {
        std::ranges::copy(sum, result.sums.data_ptr<float>() + place);
      } else {
        std::ranges::copy(sum, result.sums.data_ptr<at::BFloat16>() + place);
      }
    }
  });
  return result;
}

class SummedEmbedding : public torch::autograd::Function<SummedEmbedding> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& table,
                            const at::Tensor& indices, bool stays_sparse) {
    context->save_for_backward({indices});
    context->saved_data["rows"] = table.size(0);
    context->saved_data["type"] = table.scalar_type();
    context->saved_data["stays_sparse"] = stays_sparse;
    return table.index_select(0, indices).to(at::kFloat);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor indices = context->get_saved_variables()[0];
    const at::ScalarType type = context->saved_data["type"].toScalarType();
    const at::Tensor gradient = gradients[0].contiguous();
    const std::vector<std::int64_t> shape{context->saved_data["rows"].toInt(), gradient.size(1)};
    at::Tensor result;
    if (on_device::takes(indices)) {
      // Without waiting for how many different indices there are.
      constexpr std::int64_t kNoPadding = -1;
      result = at::embedding_dense_backward(gradient, indices, shape[0], kNoPadding,
                                            /*scale_grad_by_freq=*/false)
                   .to(type);
      return {result, at::Tensor(), at::Tensor()};
    }
    const RowSums made = summed_rows(gradient, indices, type);
    if (context->saved_data["stays_sparse"].toBool()) {
      result = at::_sparse_coo_tensor_unsafe(made.rows.unsqueeze(0), made.sums, shape,
                                             made.sums.options().layout(at::kSparse), true);
    } else {
      result = at::zeros(shape, type);
      result.index_copy_(0, made.rows, made.sums);
    }
    return {result, at::Tensor(), at::Tensor()};
  }
};

at::Tensor summed_embedding(const at::Tensor& table, const at::Tensor& indices, bool stays_sparse) {
  std::vector<std::int64_t> shape = indices.sizes().vec();
  shape.push_back(table.size(1));
  return SummedEmbedding::apply(table, indices.reshape({-1}).contiguous(), stays_sparse)
      .view(shape);
}

}  // namespace

at::Tensor embedding(const at::Tensor& table, const at::Tensor& indices) {
  if (table.scalar_type() == at::kFloat) return at::embedding(table, indices);
  return summed_embedding(table, indices, false);
}

at::Tensor embedding_of_shared(const at::Tensor& table, const at::Tensor& indices) {
  return summed_embedding(table, indices, true);
}

}  // namespace panal::tensor
