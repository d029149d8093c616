// A run file that is small enough for a test: a model of a few thousand parameters, a handful of
// steps.
#pragma once

#include <string>

namespace panal {

/// YAML of a pre-training run over folder/text.txt; `more` is added at the end.
inline std::string toy_yaml(const std::string& more = "limits: {steps: 12}\n") {
  return "kind: pretrain\n"
         "name: toy\n"
         "model: {width: 32, layers: 2, heads: 2, feed_forward_width: 64, context_length: 32}\n"
         "tokenizer: {vocabulary_size: 320}\n"
         "data: {path: text.txt, validation_fraction: 0.2, passage_bytes: 256}\n"
         "optimizer: {rule: muon, learning_rate: 0.003, muon_learning_rate: 0.02}\n"
         "batch: {sequences: 4, context: 32}\n"
         "checkpoint: {every_steps: 4, every_seconds: 0}\n"
         "evaluation: {sample_tokens: 8, max_tokens: 512}\n" +
         more;
}

}  // namespace panal
