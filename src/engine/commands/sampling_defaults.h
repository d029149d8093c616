// How a model's makers want it to be sampled.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "work/generation.h"

namespace panal::engine {

/// Of a folder, its generation_config.json (do_sample, temperature, top_p, top_k, min_p); of a GGUF
/// file, general.sampling.temp, top_p, top_k and min_p. What is not said stays unset; do_sample
/// false is temperature 0, and true without a temperature is transformers' 1. Penalties are not
/// read: they are never applied unasked. Errors: kCorrupt when the file is no JSON object;
/// kInvalidArgument for a value out of its range.
Result<work::Sampling> read_sampling_defaults(const std::filesystem::path& model);

}  // namespace panal::engine
