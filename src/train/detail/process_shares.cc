#include "train/detail/process_shares.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "model/parameter_shapes.h"
#include "train/detail/data_parallel.h"

namespace panal::train::detail {
namespace {

// Shapes without memory.
std::vector<tensor::NamedTensor> parameters_of(const model::ModelConfig& model) {
  std::vector<tensor::NamedTensor> parameters;
  for (auto& [name, shape] : model::parameter_shapes(model)) {
    parameters.push_back({std::move(name), at::empty(shape, at::device(at::kMeta))});
  }
  return parameters;
}

double flops_of(const tensor::NamedTensor& matrix, const optim::OptimizerConfig& optimizer) {
  const auto rows = static_cast<double>(matrix.value.size(0));
  const auto columns = static_cast<double>(matrix.value.size(1));
  const int steps = optimizer.muon.newton_schulz_steps;
  if (optimizer.rule == optim::Rule::kAdamW) return 0;
  const bool is_fused = matrix.name.find("attn.c_attn") != std::string::npos;
  if (is_fused && optimizer.muon.splits_fused_attention) {
    return 3 * optim::orthogonalization_flops(rows, columns / 3, steps);
  }
  return optim::orthogonalization_flops(rows, columns, steps);
}

void add(const tensor::NamedTensor& parameter, const optim::OptimizerConfig& optimizer,
         ProcessShare& share) {
  const auto elements = static_cast<double>(parameter.value.numel());
  const std::string_view name = parameter.name;
  if (optim::is_hidden_matrix(parameter)) {
    share.hidden += elements;
    share.largest_hidden = std::max(share.largest_hidden, elements);
    share.update_flops += flops_of(parameter, optimizer);
  } else if (parameter.value.dim() < 2) {
    share.vectors += elements;
  } else if (name == "lm_head.weight") {
    share.head += elements;
  } else if (name == "transformer.wpe.weight") {
    share.positions += elements;
  } else {
    share.embedding += elements;
  }
}

}  // namespace

std::vector<ProcessShare> process_shares(const model::ModelConfig& model,
                                         const optim::OptimizerConfig& optimizer, int processes) {
  return process_shares(parameters_of(model), optimizer, processes);
}

std::vector<ProcessShare> process_shares(std::span<const tensor::NamedTensor> parameters,
                                         const optim::OptimizerConfig& optimizer, int processes) {
  PANAL_REQUIRE(parameters.size() >= static_cast<std::size_t>(processes),
                fmt::format("each process must own a tensor of the model: expected at most {} "
                            "processes, found {}",
                            parameters.size(), processes));
  const auto owners = balanced_owners(parameters, optimizer.rule, processes);
  std::vector<ProcessShare> shares(static_cast<std::size_t>(processes));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    add(parameters[i], optimizer, shares[static_cast<std::size_t>(owners[i])]);
  }
  return shares;
}

double largest_bucket(const model::ModelConfig& model) {
  const auto parameters = parameters_of(model);
  double largest = 0;
  for (const auto& members : gradient_buckets(parameters)) {
    double elements = 0;
    for (const std::size_t i : members)
      elements += static_cast<double>(parameters[i].value.numel());
    largest = std::max(largest, elements);
  }
  return largest;
}

}  // namespace panal::train::detail
