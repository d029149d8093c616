// A tensor with the name it has in files: what models hand to optimizers and checkpoints. This
// header includes torch, so only .cc files of torch rooms include it; headers forward-declare
// NamedTensor.
#pragma once

#include <torch/types.h>

#include <string>

namespace panal::tensor {

/// A handle: copies share storage and gradient.
struct NamedTensor {
  std::string name;
  at::Tensor value;
};

}  // namespace panal::tensor
