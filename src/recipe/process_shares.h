// Who does what when several processes share a run: by shapes alone, so that training divides its
// tensors and a plan counts those of a model that need not exist by the same rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "recipe/model_config.h"
#include "recipe/optimizer.h"
#include "recipe/parameter_shapes.h"

namespace panal::recipe {

/// Which rank updates each parameter: whole tensors, so that Muon sees whole matrices. The most
/// expensive first, each to the rank with the least work so far; every rank gets one.
/// parameters.size() >= num_ranks.
std::vector<int> balanced_owners(std::span<const ParameterShape> parameters, Rule rule,
                                 int num_ranks);

/// This rank's rows [first, second) of a batch.
std::pair<std::int64_t, std::int64_t> rows_of_rank(std::int64_t sequences, int rank, int num_ranks);

/// Which parameters' gradients leave together, in the order of the backward pass: the last ones
/// first, as many as make 4 MiB of float32, or one that is larger.
std::vector<std::vector<std::size_t>> gradient_buckets(std::span<const ParameterShape> parameters);

/// Elements of what a process owns and updates, by kind.
struct ProcessShare {
  double hidden = 0;  // Of the layers' matrices.
  double embedding = 0, positions = 0, head = 0;
  double vectors = 0;
  double largest_hidden = 0;  // Of one matrix.
  double update_flops = 0;    // Of making its matrices orthogonal.
  double matrices() const { return hidden + embedding + positions + head; }
};

/// Of each process, for a model or for these parameters. Throws Error when there are more of them
/// than tensors.
std::vector<ProcessShare> process_shares(const ModelConfig& model, const OptimizerConfig& optimizer,
                                         int processes);
std::vector<ProcessShare> process_shares(std::span<const ParameterShape> parameters,
                                         const OptimizerConfig& optimizer, int processes);

/// Elements of the gradients that leave together, where these are the most.
double largest_bucket(const ModelConfig& model);

}  // namespace panal::recipe
