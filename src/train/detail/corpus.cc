#include "train/detail/corpus.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/document.h"
#include "data/tokenizer_trainer.h"

namespace panal::train::detail {
namespace {

using data::Document;

constexpr std::string_view kFormat = "panal-corpus-1";
constexpr std::string_view kEndOfText = "<|endoftext|>";

struct Texts {
  std::vector<Document> training;
  std::vector<Document> validation;
};

std::filesystem::path facts_path(const CorpusWork& work) {
  return work.run_directory / "data" / "corpus.json";
}

Result<std::vector<Document>> read_all(const std::vector<std::filesystem::path>& paths,
                                       const TrainConfig::Data& options, const CorpusWork& work) {
  PANAL_ASSIGN(data::ReadReport report,
               data::read_documents(
                   paths, {.passage_bytes = options.passage_bytes,
                           .max_total_bytes = static_cast<std::uint64_t>(options.max_bytes)}));
  work.message("read " + report.summary());
  return std::move(report.documents);
}

Result<Texts> read_texts(const TrainConfig::Data& options, const CorpusWork& work) {
  Texts texts;
  PANAL_ASSIGN(std::vector<Document> documents, read_all(options.paths, options, work));
  if (!options.validation_path.empty()) {
    PANAL_ASSIGN(texts.validation, read_all({options.validation_path}, options, work));
    texts.training = std::move(documents);
    return texts;
  }
  if (options.validation_fraction <= 0) {
    texts.training = std::move(documents);
    return texts;
  }
  PANAL_ASSIGN(
      const data::Split split,
      data::split_documents(documents, {.validation_fraction = options.validation_fraction,
                                        .by = options.split_by_source ? data::SplitBy::kSource
                                                                      : data::SplitBy::kPassage}));
  for (const std::size_t i : split.training) texts.training.push_back(std::move(documents[i]));
  for (const std::size_t i : split.validation) texts.validation.push_back(std::move(documents[i]));
  return texts;
}

Result<data::Tokenizer> trained_tokenizer(const TrainConfig& config, const Texts& texts,
                                          const CorpusWork& work) {
  std::vector<std::string_view> views;
  for (const auto& document : texts.training) views.push_back(document.text);
  work.message(fmt::format("training a tokenizer of {} tokens", config.tokenizer.vocabulary_size));
  data::TokenizerTrainerOptions options;
  options.vocabulary_size = static_cast<std::int32_t>(config.tokenizer.vocabulary_size);
  return data::train_tokenizer(views, options);
}

// A LoRA's tokenizer stays with its core; a pre-trained model gets its own in the run directory.
std::filesystem::path tokenizer_source(const TrainConfig& config, const CorpusWork& work) {
  return config.kind == RunKind::kLora ? config.model.core : work.run_directory / "tokenizer";
}

Result<data::Tokenizer> make_tokenizer(const TrainConfig& config, const Texts& texts,
                                       const CorpusWork& work) {
  if (config.kind == RunKind::kLora) return data::Tokenizer::load(config.model.core);
  auto made = config.tokenizer.path.empty() ? trained_tokenizer(config, texts, work)
                                            : data::Tokenizer::load(config.tokenizer.path);
  PANAL_ASSIGN(data::Tokenizer tokenizer, std::move(made));
  const auto folder = tokenizer_source(config, work);
  PANAL_TRY(store::make_directories(work.files, folder));
  PANAL_TRY(tokenizer.save(folder));
  return tokenizer;
}

// The token between documents: what pre-training used, rather than an instruct model's end of turn.
Result<std::int32_t> end_of_text_of(const data::Tokenizer& tokenizer) {
  if (const auto id = tokenizer.find(kEndOfText); id && tokenizer.is_special(*id)) return *id;
  if (const auto id = tokenizer.eos_id()) return *id;
  return Status(Code::kUnsupported,
                fmt::format("the tokenizer must have {} or an EOS token to put between documents, "
                            "found neither",
                            kEndOfText));
}

Status write_shard(const std::vector<Document>& documents, const data::Tokenizer& tokenizer,
                   const std::filesystem::path& path, const CorpusWork& work) {
  std::vector<std::vector<std::int32_t>> tokens;
  for (const auto& document : documents) {
    if (work.stop.stop_requested()) {
      return Status(Code::kCancelled, "stopped while the data was being prepared");
    }
    tokens.push_back(tokenizer.encode(document.text));
  }
  return data::write_token_shard(work.files, path, tokenizer.vocabulary_size(), tokens);
}

Json to_json(const CorpusFacts& facts) {
  return {{"format", kFormat},
          {"dataset_sha256", facts.dataset_sha256},
          {"training_documents", facts.training_documents},
          {"validation_documents", facts.validation_documents},
          {"vocabulary_size", facts.vocabulary_size}};
}

Result<CorpusFacts> read_facts(const std::filesystem::path& path) {
  PANAL_ASSIGN(const std::string text, store::read_file(path, 1 << 20));
  PANAL_ASSIGN(const Json json, parse_json(text, path.string()));
  CorpusFacts facts;
  const std::string where = path.string();
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  PANAL_ASSIGN(facts.dataset_sha256, json_string(json, "dataset_sha256", where));
  PANAL_ASSIGN(facts.training_documents, json_integer(json, "training_documents", where, 1, kMost));
  PANAL_ASSIGN(facts.validation_documents,
               json_integer(json, "validation_documents", where, 0, kMost));
  PANAL_ASSIGN(facts.vocabulary_size, json_integer(json, "vocabulary_size", where, 1, kMost));
  return facts;
}

Status prepare(const TrainConfig& config, const CorpusWork& work) {
  PANAL_TRY(store::make_directories(work.files, work.run_directory / "data"));
  PANAL_ASSIGN(const Texts texts, read_texts(config.data, work));
  PANAL_ASSIGN(const data::Tokenizer tokenizer, make_tokenizer(config, texts, work));
  work.message(fmt::format("encoding {} training and {} validation documents",
                           texts.training.size(), texts.validation.size()));
  const auto folder = work.run_directory / "data";
  PANAL_TRY(write_shard(texts.training, tokenizer, folder / "training.tokens", work));
  if (!texts.validation.empty()) {
    PANAL_TRY(write_shard(texts.validation, tokenizer, folder / "validation.tokens", work));
  }
  std::vector<Document> all = texts.training;
  all.insert(all.end(), texts.validation.begin(), texts.validation.end());
  const CorpusFacts facts{
      .dataset_sha256 = data::dataset_sha256(all),
      .training_documents = static_cast<std::int64_t>(texts.training.size()),
      .validation_documents = static_cast<std::int64_t>(texts.validation.size()),
      .vocabulary_size = tokenizer.vocabulary_size()};
  return store::write_file_atomically(work.files, facts_path(work), to_pretty(to_json(facts)));
}

}  // namespace

Result<Corpus> open_corpus(const TrainConfig& config, const CorpusWork& work) {
  if (!std::filesystem::exists(facts_path(work))) PANAL_TRY(prepare(config, work));
  PANAL_ASSIGN(CorpusFacts facts, read_facts(facts_path(work)));
  PANAL_ASSIGN(data::Tokenizer tokenizer, data::Tokenizer::load(tokenizer_source(config, work)));
  if (tokenizer.vocabulary_size() != facts.vocabulary_size) {
    return Status(
        Code::kConflict,
        fmt::format("the run's tokens were made with a vocabulary of {}, found a tokenizer "
                    "of {}: {}",
                    facts.vocabulary_size, tokenizer.vocabulary_size(),
                    tokenizer_source(config, work).string()));
  }
  PANAL_ASSIGN(const std::int32_t end_of_text, end_of_text_of(tokenizer));
  const auto folder = work.run_directory / "data";
  PANAL_ASSIGN(data::TokenShard training, data::TokenShard::open(folder / "training.tokens"));
  std::optional<data::TokenShard> validation;
  if (facts.validation_documents > 0) {
    PANAL_ASSIGN(validation, data::TokenShard::open(folder / "validation.tokens"));
  }
  return Corpus{.facts = std::move(facts),
                .tokenizer = std::move(tokenizer),
                .training = std::move(training),
                .validation = std::move(validation),
                .end_of_text = end_of_text};
}

}  // namespace panal::train::detail
