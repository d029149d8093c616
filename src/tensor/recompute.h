// Less memory for more work: a part of the forward pass that keeps only what goes in and is run
// once more when its gradients are asked for, and the wish to make one tensor again rather than
// keep it.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace panal::tensor {

struct PartResult {
  std::vector<at::Tensor> values;  // Differentiable.
  at::Tensor beside{};             // Without a gradient: what the first run gave counts.
};
/// A part of the forward pass. It must give the same bits each time until the backward pass: what
/// it reads beside its input may not change before.
using Part = std::function<PartResult(const at::Tensor& input)>;

/// part(input), differentiable in `input` and in the leaves that `part` reads, whose gradients are
/// accumulated while the part's backward pass runs. Keeps `input` and nothing else; one backward
/// pass. Outside of autograd it is part(input). Source: Chen et al., "Training Deep Nets with
/// Sublinear Memory Cost", 2016.
PartResult recomputed(const Part& part, const at::Tensor& input);

/// Makes a tensor again, bit for bit, from tensors that are kept anyway. Runs without autograd, at
/// most once per product that takes it. Empty: the tensor is kept.
using Remake = std::function<at::Tensor()>;

}  // namespace panal::tensor
