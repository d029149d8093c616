// Texts become token shards, once per run: documents are read and split, the tokenizer is trained
// or loaded, and what a resume must know about the data is written down last, so that a torn
// preparation is simply done again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/token_mixture.h"
#include "data/token_shard.h"
#include "store/file_system.h"
#include "tokenizer/tokenizer.h"
#include "train/run.h"

namespace panal::train::detail {

struct CorpusFacts {
  std::string dataset_sha256;  // Of training and validation documents in order.
  std::int64_t training_documents = 0;
  std::int64_t validation_documents = 0;
  std::int64_t duplicate_documents = 0;  // Removed: whole texts, then passages.
  std::int64_t duplicate_bytes = 0;
  std::int64_t vocabulary_size = 0;
};

/// What a run reads after preparation.
struct Corpus {
  CorpusFacts facts;
  tokenizer::Tokenizer tokenizer;
  std::vector<data::MixtureSource> training;  // One named "training" without data.sources.
  std::optional<data::TokenShard> validation;
  std::int32_t end_of_text = 0;

  /// Fills in what a summary says of the data.
  void describe(work::TrainingSummary& summary) const;
};

struct CorpusWork {
  store::FileSystem& files;
  std::filesystem::path run_directory;
  std::function<void(std::string_view)> message;
  int threads = 0;  // Of encoding; 0: as many as the machine has.
  std::stop_token stop = {};
};

/// Opens what an earlier call prepared, or prepares it. Errors: those of reading, tokenizing and
/// writing, each naming file or setting; kCancelled when stopped; kUnsupported when the tokenizer
/// has no token to put between documents.
Result<Corpus> open_corpus(const recipe::RunConfig& config, const CorpusWork& work);

}  // namespace panal::train::detail
