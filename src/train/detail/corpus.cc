#include "train/detail/corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/document_reader.h"
#include "data/training_tokens.h"
#include "tokenizer/tokenizer_trainer.h"

namespace panal::train::detail {
namespace {

using data::Document;

constexpr std::string_view kFormat = "panal-corpus-1";
constexpr std::string_view kEndOfText = "<|endoftext|>";

// The texts of one source of a run.
struct SourceTexts {
  std::string name;
  std::vector<Document> training;
};

struct Texts {
  std::vector<SourceTexts> sources;
  std::vector<Document> validation;
};

constexpr std::string_view kOnlySource = "training";

std::vector<recipe::RunConfig::Data::Source> sources_of(const recipe::RunConfig::Data& data) {
  if (!data.sources.empty()) return data.sources;
  return {{.name = std::string(kOnlySource), .paths = data.paths, .weight = 1.0}};
}

std::filesystem::path shard_path(const std::filesystem::path& run_directory,
                                 const recipe::RunConfig::Data& data, std::string_view source) {
  const std::string name =
      data.sources.empty() ? "training.tokens" : fmt::format("training-{}.tokens", source);
  return run_directory / "data" / name;
}

std::filesystem::path facts_path(const CorpusWork& work) {
  return work.run_directory / "data" / "corpus.json";
}

Result<std::vector<Document>> read_all(const std::vector<std::filesystem::path>& paths,
                                       const recipe::RunConfig::Data& options,
                                       const CorpusWork& work) {
  // Texts that repeat each other are compared whole, before cutting hides it.
  const bool stays_whole = options.deduplicate != data::Deduplication::kOff;
  PANAL_ASSIGN(data::ReadReport report,
               data::read_documents(
                   paths, {.passage_bytes = stays_whole ? 0 : options.passage_bytes,
                           .text_column = options.text_column,
                           .max_total_bytes = static_cast<std::uint64_t>(options.max_bytes)}));
  work.message("read " + report.summary());
  return std::move(report.documents);
}

// Each source's documents spread evenly, so that every beginning of the validation text has them in
// about the proportion of their numbers.
std::vector<Document> interleaved(std::vector<std::vector<Document>> sources) {
  std::vector<std::pair<double, Document>> placed;
  for (auto& documents : sources) {
    const auto count = static_cast<double>(documents.size());
    for (std::size_t i = 0; i < documents.size(); ++i) {
      placed.emplace_back((static_cast<double>(i) + 0.5) / count, std::move(documents[i]));
    }
  }
  std::ranges::stable_sort(placed, {}, [](const auto& entry) { return entry.first; });
  std::vector<Document> all;
  for (auto& entry : placed) all.push_back(std::move(entry.second));
  return all;
}

// Held-out documents come first, because of two duplicates the first stays: none of them has one in
// what is trained on.
Status remove_duplicates(const recipe::RunConfig::Data& options, const CorpusWork& work,
                         Texts& texts, CorpusFacts& facts) {
  std::vector<std::vector<Document>*> groups = {&texts.validation};
  std::vector<std::size_t> sizes;
  for (SourceTexts& source : texts.sources) {
    groups.push_back(&source.training);
    sizes.push_back(source.training.size());
  }
  PANAL_ASSIGN(const data::RemovedDuplicates removed,
               data::remove_duplicates(groups, {.mode = options.deduplicate,
                                                .threshold = options.near_threshold,
                                                .threads = work.threads,
                                                .stop = work.stop}));
  work.message(removed.summary);
  facts.duplicate_documents += removed.documents;
  facts.duplicate_bytes += removed.bytes;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (!texts.sources[i].training.empty()) continue;
    return Status(Code::kInvalidArgument,
                  fmt::format("data source \"{}\" must have a text of its own, but all its {} "
                              "documents are duplicates of earlier ones",
                              texts.sources[i].name, sizes[i]));
  }
  return Status();
}

Result<Texts> read_texts(const recipe::RunConfig::Data& options, const CorpusWork& work,
                         CorpusFacts& facts) {
  Texts texts;
  if (!options.validation_path.empty()) {
    PANAL_ASSIGN(texts.validation, read_all({options.validation_path}, options, work));
  }
  for (const auto& source : sources_of(options)) {
    auto documents = read_all(source.paths, options, work);
    if (!documents.ok()) {
      return options.sources.empty()
                 ? documents.status()
                 : documents.status().with_context(fmt::format("data.sources \"{}\"", source.name));
    }
    texts.sources.push_back({.name = source.name, .training = std::move(*documents)});
  }
  if (options.deduplicate != data::Deduplication::kOff) {
    PANAL_TRY(remove_duplicates(options, work, texts, facts));
    if (options.passage_bytes > 0) {
      data::cut_documents(texts.validation, options.passage_bytes);
      for (SourceTexts& source : texts.sources) {
        data::cut_documents(source.training, options.passage_bytes);
      }
      PANAL_TRY(remove_duplicates(options, work, texts, facts));
    }
  }
  if (!options.validation_path.empty() || options.validation_fraction <= 0) return texts;
  std::vector<std::vector<Document>> held_out;
  for (SourceTexts& source : texts.sources) {
    PANAL_ASSIGN(const data::Split split,
                 data::split_documents(source.training,
                                       {.validation_fraction = options.validation_fraction,
                                        .by = options.split_by_source ? data::SplitBy::kSource
                                                                      : data::SplitBy::kPassage}));
    std::vector<Document> kept;
    for (const std::size_t i : split.training) kept.push_back(std::move(source.training[i]));
    auto& held = held_out.emplace_back();
    for (const std::size_t i : split.validation) held.push_back(std::move(source.training[i]));
    source.training = std::move(kept);
  }
  texts.validation = interleaved(std::move(held_out));
  return texts;
}

Result<tokenizer::Tokenizer> trained_tokenizer(const recipe::RunConfig& config, const Texts& texts,
                                               const CorpusWork& work) {
  std::vector<std::string_view> views;
  for (const auto& source : texts.sources) {
    for (const auto& document : source.training) views.push_back(document.text);
  }
  work.message(fmt::format("training a tokenizer of {} tokens", config.tokenizer.vocabulary_size));
  tokenizer::TokenizerTrainerOptions options;
  options.vocabulary_size = static_cast<std::int32_t>(config.tokenizer.vocabulary_size);
  return tokenizer::train_tokenizer(views, options);
}

// A LoRA's tokenizer stays with its core; a pre-trained model gets its own in the run directory.
std::filesystem::path tokenizer_source(const recipe::RunConfig& config, const CorpusWork& work) {
  return config.kind == recipe::RunKind::kLora ? config.model.core
                                               : work.run_directory / "tokenizer";
}

Result<tokenizer::Tokenizer> make_tokenizer(const recipe::RunConfig& config, const Texts& texts,
                                            const CorpusWork& work) {
  if (config.kind == recipe::RunKind::kLora) return tokenizer::Tokenizer::load(config.model.core);
  auto made = config.tokenizer.path.empty() ? trained_tokenizer(config, texts, work)
                                            : tokenizer::Tokenizer::load(config.tokenizer.path);
  PANAL_ASSIGN(tokenizer::Tokenizer tokenizer, std::move(made));
  const auto folder = tokenizer_source(config, work);
  PANAL_TRY(store::make_directories(work.files, folder));
  PANAL_TRY(tokenizer.save(folder));
  return tokenizer;
}

// The token between documents: what pre-training used, rather than an instruct model's end of turn.
Result<std::int32_t> end_of_text_of(const tokenizer::Tokenizer& tokenizer) {
  if (const auto id = tokenizer.find(kEndOfText); id && tokenizer.is_special(*id)) return *id;
  if (const auto id = tokenizer.eos_id()) return *id;
  return Status(Code::kUnsupported,
                fmt::format("the tokenizer must have {} or an EOS token to put between documents, "
                            "found neither",
                            kEndOfText));
}

Status write_shard(const std::vector<Document>& documents, const recipe::RunConfig::Data& options,
                   const tokenizer::Tokenizer& tokenizer, const std::filesystem::path& path,
                   const CorpusWork& work) {
  PANAL_ASSIGN(const data::TrainingTokens tokens,
               data::encode_for_training(tokenizer, documents,
                                         {.train_on = options.train_on,
                                          .special_tokens = options.special_tokens,
                                          .threads = work.threads,
                                          .stop = work.stop}));
  if (tokens.conversations > 0 || tokens.left_out > 0) {
    std::size_t num_tokens = 0;
    for (const auto& document : tokens.documents) num_tokens += document.tokens.size();
    work.message(fmt::format("{} conversations, {} of {} tokens are learned ({}){}",
                             tokens.conversations, tokens.learned_tokens, num_tokens,
                             data::train_on_name(options.train_on), tokens.left_out_summary()));
  }
  if (tokens.learned_tokens == 0) {
    return Status(Code::kInvalidArgument,
                  path.filename().string() + ": nothing in these documents is learned");
  }
  return data::write_token_shard(work.files, path, tokenizer.vocabulary_size(), tokens.documents);
}

Json to_json(const CorpusFacts& facts) {
  return {{"format", kFormat},
          {"dataset_sha256", facts.dataset_sha256},
          {"training_documents", facts.training_documents},
          {"validation_documents", facts.validation_documents},
          {"duplicate_documents", facts.duplicate_documents},
          {"duplicate_bytes", facts.duplicate_bytes},
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
  PANAL_ASSIGN(facts.duplicate_documents,
               json_integer(json, "duplicate_documents", where, 0, kMost));
  PANAL_ASSIGN(facts.duplicate_bytes, json_integer(json, "duplicate_bytes", where, 0, kMost));
  PANAL_ASSIGN(facts.vocabulary_size, json_integer(json, "vocabulary_size", where, 1, kMost));
  return facts;
}

Status prepare(const recipe::RunConfig& config, const CorpusWork& work) {
  PANAL_TRY(store::make_directories(work.files, work.run_directory / "data"));
  CorpusFacts facts;
  PANAL_ASSIGN(const Texts texts, read_texts(config.data, work, facts));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer, make_tokenizer(config, texts, work));
  std::size_t num_training = 0;
  for (const auto& source : texts.sources) num_training += source.training.size();
  work.message(fmt::format("encoding {} training and {} validation documents", num_training,
                           texts.validation.size()));
  const auto folder = work.run_directory / "data";
  std::vector<Document> all;
  for (const auto& source : texts.sources) {
    PANAL_TRY(write_shard(source.training, config.data, tokenizer,
                          shard_path(work.run_directory, config.data, source.name), work));
    all.insert(all.end(), source.training.begin(), source.training.end());
  }
  if (!texts.validation.empty()) {
    PANAL_TRY(
        write_shard(texts.validation, config.data, tokenizer, folder / "validation.tokens", work));
  }
  all.insert(all.end(), texts.validation.begin(), texts.validation.end());
  facts.dataset_sha256 = data::dataset_sha256(all);
  facts.training_documents = static_cast<std::int64_t>(num_training);
  facts.validation_documents = static_cast<std::int64_t>(texts.validation.size());
  facts.vocabulary_size = tokenizer.vocabulary_size();
  return store::write_file_atomically(work.files, facts_path(work), to_pretty(to_json(facts)));
}

// A shard of other tokens would be learned as noise.
Result<data::TokenShard> open_shard(const std::filesystem::path& path, const CorpusFacts& facts) {
  PANAL_ASSIGN(data::TokenShard shard, data::TokenShard::open(path));
  if (shard.vocabulary_size() == facts.vocabulary_size) return shard;
  return Status(Code::kConflict,
                fmt::format("token shard {}: expected the tokenizer's vocabulary of {} ids, found "
                            "tokens of a vocabulary of {}",
                            path.string(), facts.vocabulary_size, shard.vocabulary_size()));
}

}  // namespace

void Corpus::describe(work::TrainingSummary& summary) const {
  summary.training_documents = facts.training_documents;
  summary.validation_documents = facts.validation_documents;
  for (const auto& source : training) {
    for (const auto& shard : source.shards) summary.training_tokens += shard.num_tokens();
  }
  summary.duplicate_documents = facts.duplicate_documents;
  summary.duplicate_bytes = facts.duplicate_bytes;
  summary.dataset_sha256 = facts.dataset_sha256;
}

Result<Corpus> open_corpus(const recipe::RunConfig& config, const CorpusWork& work) {
  if (!std::filesystem::exists(facts_path(work))) PANAL_TRY(prepare(config, work));
  PANAL_ASSIGN(CorpusFacts facts, read_facts(facts_path(work)));
  PANAL_ASSIGN(tokenizer::Tokenizer tokenizer,
               tokenizer::Tokenizer::load(tokenizer_source(config, work)));
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
  std::vector<data::MixtureSource> training;
  for (const auto& source : sources_of(config.data)) {
    PANAL_ASSIGN(data::TokenShard shard,
                 open_shard(shard_path(work.run_directory, config.data, source.name), facts));
    training.push_back(
        {.name = source.name, .weight = source.weight, .shards = {std::move(shard)}});
  }
  std::optional<data::TokenShard> validation;
  if (facts.validation_documents > 0) {
    PANAL_ASSIGN(validation, open_shard(folder / "validation.tokens", facts));
  }
  return Corpus{.facts = std::move(facts),
                .tokenizer = std::move(tokenizer),
                .training = std::move(training),
                .validation = std::move(validation),
                .end_of_text = end_of_text};
}

}  // namespace panal::train::detail
