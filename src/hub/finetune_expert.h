// A core learns a text by LoRA: the adapter becomes a registered expert of that core.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/hive.h"
#include "hub/train_model.h"

namespace panal::hub {

struct FinetuneExpert {
  std::string core{};     // Registered base model.
  std::string dataset{};  // A JSONL or text file, a dataset's name, or PARTITIONING:LABEL.
  std::string name{};     // Of the expert: GROUP/EXPERT.
  std::int64_t rank = 8;
  double alpha = 16;
  std::vector<std::string> targets{};  // Linear layers; none: all.
  double learning_rate = 2e-3;
  std::string precision = "auto";
  std::string train_on = "assistant";        // Or "all": of conversations.
  std::string special_tokens = "as_marked";  // Or "read" or "none": of plain texts.
  std::int64_t batch = 4;
  std::int64_t context = 256;
  std::optional<std::int64_t> steps{};
  std::optional<double> max_seconds{};
  std::uint64_t seed = 1;
  std::int64_t evaluation_tokens = 2048;  // Of held-out text, each time it is scored.
  std::optional<int> processes{};         // That share each batch; nothing: one.
  bool begins_anew = false;               // As of TrainModel.
};

/// Trains and registers the expert as a candidate; the same request again goes on where it was
/// stopped. Errors: kInvalidArgument when the core is no registered base model, kNotFound for the
/// text, and those of train_model.
Result<TrainedModel> finetune_expert(Hive& hive, const FinetuneExpert& request, const Watch& watch);

}  // namespace panal::hub
