// Jobs that read a model wholly: to know that it works, and to write it for others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "work/codec.h"

namespace panal::work {

/// Of a decoder, in the terms of its config.
struct ModelFacts {
  std::string architecture{};
  std::int64_t parameters = 0;
  std::int64_t layers = 0;
  std::int64_t width = 0;
  std::int64_t heads = 0;
  std::int64_t key_value_heads = 0;
  std::int64_t feed_forward_width = 0;
  std::int64_t vocabulary_size = 0;
  std::int64_t context_length = 0;
  bool tied_embeddings = false;
  std::int64_t tokenizer_size = 0;
  std::vector<std::string> unused_tensors{};  // That nothing computes with.
  bool can_chat = false;
  std::optional<std::string> why_no_chat{};  // Of a model whose template failed its trial.
  std::optional<bool> takes_system{}, takes_tools{};
  std::optional<std::string> why_no_tools{};
};

/// Loads a model with its tokenizer and tries its chat template.
struct CheckModelJob {
  static constexpr char kKind[] = "check";
  using Outcome = ModelFacts;
  std::filesystem::path model{};  // Folder or GGUF file.
};

struct AdapterFacts {
  std::string type = "lora";
  std::int64_t rank = 0;
  double alpha = 0;  // Scale: alpha / rank.
  std::vector<std::string> targets{};
  std::string base_model_name{};  // As the adapter has it; may be empty.
  std::int64_t parameters = 0;
};

/// Reads an adapter and puts it over its core: shapes, rank and targets must fit.
struct CheckAdapterJob {
  static constexpr char kKind[] = "check_adapter";
  using Outcome = AdapterFacts;
  std::filesystem::path model{};
  std::filesystem::path adapter{};  // A folder, as PEFT writes it.
};

struct ExportedFiles {
  std::filesystem::path folder{};
  std::int64_t parameters = 0;
};

/// Writes a model as a Hugging Face folder that transformers loads.
struct ExportModelJob {
  static constexpr char kKind[] = "export";
  using Outcome = ExportedFiles;
  std::filesystem::path model{};
  std::filesystem::path output{};
};

}  // namespace panal::work
