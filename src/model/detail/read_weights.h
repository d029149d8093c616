// The tensors a config wants, read from GGUF or safetensors into one form: Hugging Face's names,
// shapes and row order, float32.
#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "recipe/model_config.h"
#include "recipe/parameter_table.h"
#include "weights/weight_source.h"

namespace panal::model::detail {

/// One row of a parameter table together with where its values are.
struct FoundParameter {
  recipe::ParameterSpec spec;
  std::string file_name;  // Of the tensor in the source.
};

/// Matches the table of `config` with the tensors of `source`: every one wanted must be there with
/// its exact shape, and every one there must be wanted or known ballast. Errors name tensor and
/// file.
Result<std::vector<FoundParameter>> match_parameters(const weights::WeightSource& source,
                                                     const recipe::ModelConfig& config);

/// Row i of the result is row order[i] of the file, so that Q and K come out in half-split rotary
/// order. Empty when the file's order is right.
std::vector<std::int64_t> row_order(const weights::WeightSource& source,
                                    const recipe::ParameterSpec& spec);

/// The values in Hugging Face's layout, finite.
Result<at::Tensor> read_parameter(const weights::WeightSource& source,
                                  const FoundParameter& parameter);

/// Everything: name -> float32 tensor.
Result<std::map<std::string, at::Tensor>> read_parameters(const weights::WeightSource& source,
                                                          const recipe::ModelConfig& config);

/// Tensors of `source` that a model with this config does not use: known ballast, and a copy of the
/// embedding where the head is tied. Errors as match_parameters().
Result<std::vector<std::string>> unused_tensors(const weights::WeightSource& source,
                                                const recipe::ModelConfig& config);

/// The config that belongs to the weights of a folder or file. A head in the file that differs from
/// the embedding is the model's own, whatever the config says about tied weights.
Result<recipe::ModelConfig> config_of(const weights::WeightSource& source,
                                      const std::filesystem::path& folder_or_file);

}  // namespace panal::model::detail
