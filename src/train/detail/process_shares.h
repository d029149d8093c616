// What each of several processes has to do with a model that need not exist: the tensors it owns by
// the rule of DataParallel, counted.
#pragma once

#include <span>
#include <vector>

#include "model/config.h"
#include "optim/optimizer.h"
#include "tensor/named_tensor.h"

namespace panal::train::detail {

/// Elements of what a process owns and updates, by kind.
struct ProcessShare {
  double hidden = 0;  // Of the layers' matrices.
  double embedding = 0, positions = 0, head = 0;
  double vectors = 0;
  double largest_hidden = 0;  // Of one matrix.
  double update_flops = 0;    // Of making its matrices orthogonal.
  double matrices() const { return hidden + embedding + positions + head; }
};

/// Of each process. Throws Error when there are more of them than tensors.
std::vector<ProcessShare> process_shares(const model::ModelConfig& model,
                                         const optim::OptimizerConfig& optimizer, int processes);

/// The same of these parameters; shapes are enough, so they may be on the meta device.
std::vector<ProcessShare> process_shares(std::span<const tensor::NamedTensor> parameters,
                                         const optim::OptimizerConfig& optimizer, int processes);

/// Elements of the gradients that leave together, where these are the most.
double largest_bucket(const model::ModelConfig& model);

}  // namespace panal::train::detail
