#include "recipe/process_shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>

#include "base/error.h"
#include "tensor/step_sizes.h"

namespace panal::recipe {
namespace {

bool is_hidden_matrix(const ParameterShape& parameter) {
  return recipe::is_hidden_matrix(parameter.name, parameter.shape.size());
}

// FLOPs of an update, roughly.
double update_cost(const ParameterShape& parameter, Rule rule) {
  constexpr double kPassFlopsPerElement = 20;
  constexpr int kUsualSteps = 5;
  const auto elements = static_cast<double>(parameter.num_elements());
  double cost = 1 + kPassFlopsPerElement * elements;
  if (rule.descriptor().makes_orthogonal && is_hidden_matrix(parameter)) {
    const auto rows = static_cast<double>(parameter.shape[0]);
    cost += orthogonalization_flops(rows, elements / rows, kUsualSteps);
  }
  return cost;
}

double flops_of(const ParameterShape& matrix, const OptimizerConfig& optimizer) {
  const auto rows = static_cast<double>(matrix.shape[0]);
  const auto columns = static_cast<double>(matrix.shape[1]);
  const int steps = optimizer.muon.newton_schulz_steps;
  if (!optimizer.rule.descriptor().makes_orthogonal) return 0;
  const bool is_fused = matrix.name.find("attn.c_attn") != std::string::npos;
  if (is_fused && optimizer.muon.splits_fused_attention) {
    return 3 * orthogonalization_flops(rows, columns / 3, steps);
  }
  return orthogonalization_flops(rows, columns, steps);
}

void add(const ParameterShape& parameter, const OptimizerConfig& optimizer, ProcessShare& share) {
  const auto elements = static_cast<double>(parameter.num_elements());
  const std::string_view name = parameter.name;
  if (is_hidden_matrix(parameter)) {
    share.hidden += elements;
    share.largest_hidden = std::max(share.largest_hidden, elements);
    share.update_flops += flops_of(parameter, optimizer);
  } else if (parameter.shape.size() < 2) {
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

std::vector<int> balanced_owners(std::span<const ParameterShape> parameters, Rule rule,
                                 int num_ranks) {
  std::vector<double> costs;
  for (const auto& parameter : parameters) costs.push_back(update_cost(parameter, rule));
  std::vector<std::size_t> order(parameters.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return costs[a] > costs[b]; });
  std::vector<double> work(static_cast<std::size_t>(num_ranks), 0.0);
  std::vector<int> owners(parameters.size());
  for (const std::size_t index : order) {
    const auto least = std::ranges::min_element(work);
    owners[index] = static_cast<int>(least - work.begin());
    *least += costs[index];
  }
  return owners;
}

std::pair<std::int64_t, std::int64_t> rows_of_rank(std::int64_t sequences, int rank,
                                                   int num_ranks) {
  return {sequences * rank / num_ranks, sequences * (rank + 1) / num_ranks};
}

std::vector<std::vector<std::size_t>> gradient_buckets(std::span<const ParameterShape> parameters) {
  std::vector<std::vector<std::size_t>> buckets;
  std::int64_t elements = tensor::kBucketElements;
  for (std::size_t i = parameters.size(); i-- > 0;) {
    const std::int64_t count = parameters[i].num_elements();
    if (elements + count > tensor::kBucketElements) {
      buckets.emplace_back();
      elements = 0;
    }
    elements += count;
    buckets.back().push_back(i);
  }
  return buckets;
}

std::vector<ProcessShare> process_shares(const ModelConfig& model, const OptimizerConfig& optimizer,
                                         int processes) {
  return process_shares(parameter_shapes(model), optimizer, processes);
}

std::vector<ProcessShare> process_shares(std::span<const ParameterShape> parameters,
                                         const OptimizerConfig& optimizer, int processes) {
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

double largest_bucket(const ModelConfig& model) {
  const auto parameters = parameter_shapes(model);
  double largest = 0;
  for (const auto& members : gradient_buckets(parameters)) {
    double elements = 0;
    for (const std::size_t i : members) {
      elements += static_cast<double>(parameters[i].num_elements());
    }
    largest = std::max(largest, elements);
  }
  return largest;
}

}  // namespace panal::recipe
