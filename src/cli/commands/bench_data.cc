// How fast does text become tokens, and how fast are duplicates found? Both work on the documents
// of a JSONL file, so that another program can be given the same (tools/peers/data_python.py).
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/hash.h"
#include "base/timing.h"
#include "cli/commands/commands.h"
#include "data/dataset.h"
#include "data/deduplicate.h"
#include "data/encode_documents.h"

namespace panal::cli {
namespace {

struct BenchDataOptions {
  std::string tokenizer;
  std::string file;
  std::string mode = "near";
  double megabytes = 20;
  double near_threshold = 0.8;
  int threads = 0;
  int runs = 5;
};

// The file's documents again and again until they are `megabytes` long.
Result<std::vector<data::Document>> repeated_documents(const BenchDataOptions& options,
                                                       std::uint64_t& bytes) {
  PANAL_ASSIGN(const auto documents, data::read_dataset(options.file));
  std::vector<data::Document> all;
  bytes = 0;
  do {
    for (const data::Document& document : documents) {
      all.push_back(document);
      bytes += document.text.size();
    }
  } while (static_cast<double>(bytes) < options.megabytes * 1e6);
  return all;
}

// Of the runs after the first.
struct Speed {
  double median_mb_per_s, lowest_mb_per_s, highest_mb_per_s;

  std::string shown() const {
    return fmt::format("{:.1f} MB/s ({:.1f} to {:.1f})", median_mb_per_s, lowest_mb_per_s,
                       highest_mb_per_s);
  }
};

template <typename Work>
Result<Speed> measured(const BenchDataOptions& options, std::uint64_t bytes, const Work& work) {
  std::vector<double> speeds;
  for (int run = 0; run < options.runs + 1; ++run) {
    const Stopwatch watch;
    PANAL_TRY(work());
    const double taken_s = watch.elapsed_s();
    if (run > 0) speeds.push_back(static_cast<double>(bytes) / 1e6 / taken_s);
  }
  std::ranges::sort(speeds);
  return Speed{.median_mb_per_s = speeds[speeds.size() / 2],
               .lowest_mb_per_s = speeds.front(),
               .highest_mb_per_s = speeds.back()};
}

Json to_json(const BenchDataOptions& options, std::uint64_t bytes, const Speed& speed) {
  return Json{{"bytes", bytes},
              {"threads", options.threads},
              {"runs", options.runs},
              {"mb_per_s", speed.median_mb_per_s},
              {"mb_per_s_low", speed.lowest_mb_per_s},
              {"mb_per_s_high", speed.highest_mb_per_s}};
}

Result<Json> bench_tokenize(const BenchDataOptions& options, Workspace& workspace) {
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer, tokenizer::Tokenizer::load(options.tokenizer));
  std::uint64_t bytes = 0;
  PANAL_ASSIGN(const auto documents, repeated_documents(options, bytes));
  std::vector<std::string_view> texts;
  for (const auto& document : documents) texts.push_back(document.text);
  std::vector<std::vector<std::int32_t>> tokens;
  const auto work = [&]() -> Status {
    auto encoded = data::encode_documents(tokenizer, texts, {.threads = options.threads});
    if (encoded.ok()) tokens = std::move(*encoded);
    return encoded.status();
  };
  PANAL_ASSIGN(const Speed speed, measured(options, bytes, work));
  Sha256 hash;
  std::size_t count = 0;
  for (const auto& document : tokens) {
    hash.update(std::as_bytes(std::span(document)));
    count += document.size();
  }
  Json result = to_json(options, bytes, speed);
  result["documents"] = documents.size();
  result["tokens"] = count;
  result["ids_sha256"] = hash.hex();
  workspace.terminal().print(fmt::format("{}: {} tokens from {} documents, {}", speed.shown(),
                                         count, documents.size(), shown_bytes(bytes)));
  return result;
}

Result<Json> bench_deduplicate(const BenchDataOptions& options, Workspace& workspace) {
  std::uint64_t bytes = 0;
  BenchDataOptions once = options;
  once.megabytes = 0;  // Repeated, every document would be a duplicate.
  PANAL_ASSIGN(const auto documents, repeated_documents(once, bytes));
  data::DeduplicateReport report;
  const auto work = [&]() -> Status {
    auto found = data::deduplicate(
        documents,
        {.mode = options.mode == "near" ? data::Deduplication::kNear : data::Deduplication::kExact,
         .threshold = options.near_threshold,
         .threads = options.threads});
    if (found.ok()) report = std::move(*found);
    return found.status();
  };
  PANAL_ASSIGN(const Speed speed, measured(options, bytes, work));
  Json result = to_json(options, bytes, speed);
  result["documents"] = documents.size();
  result["removed"] = report.removed.size();
  workspace.terminal().print(fmt::format("{}: {}", speed.shown(), report.summary(documents)));
  return result;
}

void add_shared_options(CLI::App& command, BenchDataOptions& options) {
  command.add_option("--file", options.file, "JSONL with a \"text\" per line")->required();
  command.add_option("--threads", options.threads, "0: as many as the machine has")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  command.add_option("--runs", options.runs, "The median counts; one more warms up")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

}  // namespace

void add_bench_data_commands(CLI::App& bench, Action& action) {
  auto options = std::make_shared<BenchDataOptions>();  // Shared by the flags and the callbacks.
  CLI::App* tokenize = bench.add_subcommand("tokenize", "Speed of documents becoming token ids");
  add_shared_options(*tokenize, *options);
  tokenize
      ->add_option("--tokenizer", options->tokenizer, "Model folder, tokenizer.json or GGUF file")
      ->required();
  tokenize->add_option("--megabytes", options->megabytes, "The documents are repeated to this size")
      ->check(CLI::Range(0.0, 4000.0))
      ->capture_default_str();
  tokenize->callback([options, &action] {
    action = [options](Workspace& workspace) { return bench_tokenize(*options, workspace); };
  });
  CLI::App* deduplicate = bench.add_subcommand("deduplicate", "Speed of finding duplicates");
  add_shared_options(*deduplicate, *options);
  deduplicate->add_option("--mode", options->mode, "exact or near")
      ->check(CLI::IsMember({"exact", "near"}))
      ->capture_default_str();
  deduplicate->add_option("--near-threshold", options->near_threshold, "Jaccard similarity")
      ->check(CLI::Range(0.5, 1.0))
      ->capture_default_str();
  deduplicate->callback([options, &action] {
    action = [options](Workspace& workspace) { return bench_deduplicate(*options, workspace); };
  });
}

}  // namespace panal::cli
