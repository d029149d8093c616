// Rows of a table chosen by index, and the way back: the gradients of equal indices added up.
#pragma once

#include <ATen/core/Tensor.h>

namespace panal::tensor {

/// table[indices] as float32: [..., width] for indices [...] int64, differentiable in the table
/// [rows, width], float32 or bfloat16. The gradient of a bfloat16 table is bfloat16, each row
/// summed in float32 and rounded once, in an order that does not depend on the number of threads.
/// Throws for an index out of range.
at::Tensor embedding(const at::Tensor& table, const at::Tensor& indices);

/// The same for a table that is also read as a whole, and so gets a dense gradient in the same
/// pass: a tied head's. The gradient made here is sparse, each row summed in float32 and rounded
/// once, and autograd adds its rows to the dense one (on a CUDA device it is dense too). By itself
/// it would stay sparse.
at::Tensor embedding_of_shared(const at::Tensor& table, const at::Tensor& indices);

}  // namespace panal::tensor
