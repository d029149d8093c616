// What a token of training costs, from a handful of a model's numbers: what a run's files keep, so
// that a report needs no model.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "recipe/model_config.h"

namespace panal::recipe {

/// The terms of the PaLM formula. Source: Chowdhery et al., "PaLM", 2022, appendix B.
struct ModelCost {
  std::int64_t matrix_parameters = 0;  // N: with the head, without embeddings.
  std::int64_t layers = 0, heads = 0, head_width = 0, context = 0;
  double flops_per_token() const;  // 6 N + 12 L H Q T
};

/// Of a model trained on windows of `context` tokens.
ModelCost model_cost(const ModelConfig& model, std::int64_t context);

/// The "model" object of machines.json. Errors: kInvalidArgument naming `where` and the member.
Result<ModelCost> model_cost_from_json(const Json& json, const std::string& where);
Json model_cost_to_json(const ModelCost& cost);

}  // namespace panal::recipe
