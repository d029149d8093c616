#include "recipe/model_cost.h"

namespace panal::recipe {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 60;

}  // namespace

ModelCost model_cost(const ModelConfig& model, std::int64_t context) {
  return {.matrix_parameters = model.num_matrix_parameters(),
          .layers = model.layers,
          .heads = model.heads,
          .head_width = model.head_width,
          .context = context};
}

double ModelCost::flops_per_token() const {
  const auto attention = static_cast<double>(layers) * static_cast<double>(heads) *
                         static_cast<double>(head_width) * static_cast<double>(context);
  return 6.0 * static_cast<double>(matrix_parameters) + 12.0 * attention;
}

Result<ModelCost> model_cost_from_json(const Json& json, const std::string& where) {
  ModelCost cost;
  PANAL_ASSIGN(cost.matrix_parameters, json_integer(json, "matrix_parameters", where, 1, kMost));
  PANAL_ASSIGN(cost.layers, json_integer(json, "layers", where, 1, 1 << 20));
  PANAL_ASSIGN(cost.heads, json_integer(json, "heads", where, 1, 1 << 20));
  PANAL_ASSIGN(cost.head_width, json_integer(json, "head_width", where, 1, 1 << 20));
  PANAL_ASSIGN(cost.context, json_integer(json, "context", where, 1, std::int64_t{1} << 32));
  return cost;
}

Json model_cost_to_json(const ModelCost& cost) {
  return {{"matrix_parameters", cost.matrix_parameters},
          {"layers", cost.layers},
          {"heads", cost.heads},
          {"head_width", cost.head_width},
          {"context", cost.context}};
}

}  // namespace panal::recipe
