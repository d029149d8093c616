// Strict configuration: every key of a YAML file is known, typed and in range, or the reader gets
// one sentence that names file, line, key, what was wanted and what was found. Reading never stops
// at the first question, so code asks for all its keys in plain lines and then looks at finish().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace panal {

class ConfigReader {
 public:
  /// Parses YAML (JSON is YAML too), one document. `name` is the file name in messages. The top
  /// must be a mapping.
  static Result<ConfigReader> parse(std::string_view yaml, std::string name);

  bool has(std::string_view key) const;
  /// Each asks for one key. A missing key gives the default; a wrong value is remembered for
  /// finish().
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                       std::int64_t high);
  double number(std::string_view key, double fallback, double low, double high);
  bool flag(std::string_view key, bool fallback);
  std::string text(std::string_view key, std::string fallback);
  /// One of `allowed`; anything else is an error that lists them.
  std::string choice(std::string_view key, std::string fallback,
                     const std::vector<std::string>& allowed);
  std::vector<std::string> texts(std::string_view key, std::vector<std::string> fallback);
  /// A key without which nothing can start.
  std::string required_text(std::string_view key);
  /// A nested mapping; an empty reader when the key is missing. It shares this reader's error list.
  ConfigReader section(std::string_view key);

  /// A list of mappings, a reader for each; none when the key is missing. Keys are named
  /// "sources[0].name" in errors.
  std::vector<ConfigReader> sections(std::string_view key);

  /// Adds an error about `key`, for checks over several values: "width 100 must be a multiple of
  /// heads 3".
  void reject(std::string_view key, std::string_view reason);
  /// The first error in file order, keys nobody asked for included (with the nearest known key);
  /// what is missing comes last.
  Status finish() const;

 private:
  struct Node;
  struct Errors;
  ConfigReader(std::shared_ptr<Node> node, std::shared_ptr<Errors> errors, std::string prefix);
  std::shared_ptr<Node> node_;      // Shared by the reader and its section readers.
  std::shared_ptr<Errors> errors_;  // Shared by the reader and its section readers.
  std::string prefix_;
};

/// The candidate nearest to `word` by edit distance, or "" when none is near: for "did you mean".
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace panal
