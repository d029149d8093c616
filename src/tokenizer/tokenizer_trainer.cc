#include "tokenizer/tokenizer_trainer.h"
#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <queue>
#include <set>
#include <unordered_map>

#include "tokenizer/detail/byte_alphabet.h"
#include "tokenizer/detail/tokenizer_parts.h"

namespace panal::tokenizer {
namespace {

constexpr std::int32_t kMaxTrainedVocabulary = 1 << 20;
constexpr int kProgressSteps = 50;

struct Word {
  std::vector<std::int32_t> tokens;
  std::int64_t count = 0;
};

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (std::uint64_t(std::uint32_t(left)) << 32) | std::uint32_t(right);
}

struct PairUse {
  std::int64_t count = 0;
  std::vector<std::uint32_t>
      words;  // Where it may occur; a word may be named twice or have lost it.
};

// The most frequent pair first; among equals the one of smaller ids.
struct Candidate {
  std::int64_t count;
  std::uint64_t pair;
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

// Tokens while they are learned: special ones, bytes, merges. The ids of pairs decide ties, so the
// bytes stand in the order of their characters in the alphabet, as in Hugging Face's trainer.
class Vocabulary {
 public:
  explicit Vocabulary(const std::vector<std::string>& special_tokens) : tokens_(special_tokens) {
    std::vector<std::pair<std::string, int>> bytes;
    for (int byte = 0; byte < 256; ++byte) {
      bytes.emplace_back(detail::alphabet_character(std::uint8_t(byte)), byte);
    }
    std::sort(bytes.begin(), bytes.end());  // UTF-8 sorts like code points.
    for (std::size_t i = 0; i < tokens_.size(); ++i) ids_.emplace(tokens_[i], std::int32_t(i));
    for (const auto& [character, byte] : bytes) byte_ids_[std::size_t(byte)] = id_of(character);
  }
  /// The id of a token, made when it is new.
  std::int32_t id_of(const std::string& token) {
    const auto [place, is_new] = ids_.emplace(token, std::int32_t(tokens_.size()));
    if (is_new) tokens_.push_back(token);
    return place->second;
  }
  std::int32_t byte_id(char byte) const { return byte_ids_[std::uint8_t(byte)]; }
  const std::string& operator[](std::int32_t id) const { return tokens_[std::size_t(id)]; }
  std::int32_t num_tokens() const { return std::int32_t(tokens_.size()); }

 private:
  std::vector<std::string> tokens_;  // In the byte alphabet, but for special tokens.
  std::unordered_map<std::string, std::int32_t> ids_;
  std::array<std::int32_t, 256> byte_ids_{};
};

class Merger {
 public:
  Merger(std::vector<Word> words, Vocabulary& vocabulary)
      : words_(std::move(words)), vocabulary_(vocabulary) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const Word& word = words_[i];
      for (std::size_t k = 0; k + 1 < word.tokens.size(); ++k) {
        PairUse& use = pairs_[pair_key(word.tokens[k], word.tokens[k + 1])];
        use.count += word.count;
        if (use.words.empty() || use.words.back() != i) use.words.push_back(std::uint32_t(i));
      }
    }
    for (const auto& [pair, use] : pairs_) queue_.push({use.count, pair});
  }

  /// Merges the best pair; false when none is left with `minimum_count`.
  bool step(std::int64_t minimum_count, std::vector<std::pair<std::string, std::string>>& merges) {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(best.pair);
      if (found == pairs_.end() || found->second.count < minimum_count) continue;
      if (found->second.count != best.count) {  // It was merged away in part since it was queued.
        if (found->second.count < best.count) queue_.push({found->second.count, best.pair});
        continue;
      }
      const auto left = std::int32_t(best.pair >> 32);
      const auto right = std::int32_t(best.pair & 0xFFFFFFFF);
      merges.emplace_back(vocabulary_[left], vocabulary_[right]);
      const std::int32_t merged = vocabulary_.id_of(vocabulary_[left] + vocabulary_[right]);
      const std::vector<std::uint32_t> words = std::move(found->second.words);
      pairs_.erase(found);
      merge_in(words, left, right, merged);
      return true;
    }
    return false;
  }

 private:
  void merge_in(const std::vector<std::uint32_t>& words, std::int32_t left, std::int32_t right,
                std::int32_t merged) {
    grown_.clear();
    for (const std::uint32_t index : words) {
      merge_word(index, left, right, merged);
    }
    for (const std::uint64_t pair : grown_) {
      const auto found = pairs_.find(pair);
      if (found != pairs_.end() && found->second.count > 0)
        queue_.push({found->second.count, pair});
    }
  }

  void merge_word(std::uint32_t index, std::int32_t left, std::int32_t right, std::int32_t merged) {
    Word& word = words_[index];
    std::vector<std::int32_t>& tokens = word.tokens;
    std::size_t to = 0;
    for (std::size_t from = 0; from < tokens.size(); ++to) {
      if (from + 1 >= tokens.size() || tokens[from] != left || tokens[from + 1] != right) {
        tokens[to] = tokens[from++];
        continue;
      }
      if (to > 0) {
        lose(tokens[to - 1], left, word.count);
        gain(tokens[to - 1], merged, word.count, index);
      }
      if (from + 2 < tokens.size()) {
        lose(right, tokens[from + 2], word.count);
        gain(merged, tokens[from + 2], word.count, index);
      }
      tokens[to] = merged;
      from += 2;
    }
    tokens.resize(to);
  }

  void lose(std::int32_t left, std::int32_t right, std::int64_t count) {
    const auto found = pairs_.find(pair_key(left, right));
    if (found != pairs_.end()) found->second.count -= count;
  }

  void gain(std::int32_t left, std::int32_t right, std::int64_t count, std::uint32_t index) {
    const std::uint64_t pair = pair_key(left, right);
    PairUse& use = pairs_[pair];
    use.count += count;
    if (use.words.empty() || use.words.back() != index) use.words.push_back(index);
    grown_.insert(pair);
  }

  std::vector<Word> words_;
  Vocabulary& vocabulary_;  // Outlives the merger.
  std::unordered_map<std::uint64_t, PairUse> pairs_;
  std::priority_queue<Candidate> queue_;
  std::set<std::uint64_t> grown_;  // Pairs the current merge made more frequent.
};

Status check_options(const TokenizerTrainerOptions& options) {
  const auto invalid = [](std::string message) {
    return Status(Code::kInvalidArgument, std::move(message));
  };
  const std::set<std::string> unique(options.special_tokens.begin(), options.special_tokens.end());
  if (unique.size() != options.special_tokens.size() || unique.contains("")) {
    return invalid("training a tokenizer: special tokens must be different and not empty");
  }
  for (const std::string& token : options.special_tokens) {
    if (!is_valid_utf8(token)) return invalid("training a tokenizer: a special token is not UTF-8");
    if (next_character(token).num_bytes == token.size()) {
      return invalid(
          fmt::format("training a tokenizer: the special token \"{}\" is a single character, which "
                      "text would be full of",
                      token));
    }
  }
  for (const auto& end : {options.bos, options.eos}) {
    if (end && !unique.contains(*end)) {
      return invalid(fmt::format(
          "training a tokenizer: \"{}\" is to be BOS or EOS but is no special token", *end));
    }
  }
  const auto lowest = std::int64_t(256 + options.special_tokens.size());
  if (options.vocabulary_size < lowest || options.vocabulary_size > kMaxTrainedVocabulary) {
    return invalid(fmt::format(
        "training a tokenizer: vocabulary size must be from {} (256 bytes and {} special "
        "tokens) to {}, found {}",
        lowest, options.special_tokens.size(), kMaxTrainedVocabulary, options.vocabulary_size));
  }
  return {};
}

class Reporter {
 public:
  Reporter(const TokenizerTrainerOptions& options, std::int64_t bytes_total,
           std::int64_t merges_wanted)
      : options_(options), every_(std::max<std::int64_t>(1, merges_wanted / kProgressSteps)) {
    progress_.bytes_total = bytes_total;
    progress_.merges_wanted = merges_wanted;
  }
  void bytes_read(std::int64_t bytes) {
    progress_.bytes_read = bytes;
    if (bytes - reported_bytes_ < progress_.bytes_total / kProgressSteps &&
        bytes != progress_.bytes_total)
      return;
    reported_bytes_ = bytes;
    if (options_.progress) options_.progress(progress_);
  }
  void merges_done(std::int64_t merges) {
    progress_.merges_done = merges;
    if (options_.progress && (merges % every_ == 0 || merges == progress_.merges_wanted)) {
      options_.progress(progress_);
    }
  }

 private:
  const TokenizerTrainerOptions& options_;  // Outlives the reporter.
  const std::int64_t every_;
  TrainerProgress progress_;
  std::int64_t reported_bytes_ = 0;
};

std::vector<Word> count_words(std::span<const std::string_view> texts,
                              const detail::PreTokenizer& pre_tokenizer,
                              const Vocabulary& vocabulary, Reporter& reporter) {
  std::unordered_map<std::string, std::size_t> index_of;
  std::vector<Word> words;
  detail::Pieces pieces;
  std::string key;
  std::int64_t bytes = 0;
  for (const std::string_view text : texts) {
    const std::string replaced = is_valid_utf8(text) ? "" : replace_invalid_utf8(text);
    pre_tokenizer.split(replaced.empty() ? text : replaced, pieces);
    for (const std::string_view piece : pieces.views) {
      key = piece;
      const auto [place, is_new] = index_of.emplace(key, words.size());
      if (is_new) {
        Word word;
        for (const char byte : piece) word.tokens.push_back(vocabulary.byte_id(byte));
        words.push_back(std::move(word));
      }
      ++words[place->second].count;
    }
    bytes += std::int64_t(text.size());
    reporter.bytes_read(bytes);
  }
  return words;
}

// Text without a word of two characters, such as digits only, teaches no token beyond the bytes.
Status check_merges_exist(std::span<const Word> words, const TokenizerTrainerOptions& options) {
  if (std::ranges::any_of(words, [](const Word& word) { return word.tokens.size() > 1; }))
    return Status();
  return Status(
      Code::kInvalidArgument,
      fmt::format(
          "training a tokenizer: nothing in the text can be joined to a token of its own: all "
          "its {} different words are single characters{}. Give text with words, or ask for "
          "{} tokens",
          words.size(), options.splits_digits ? " (each digit is one)" : "",
          256 + options.special_tokens.size()));
}

detail::TokenizerSpec spec_of(const Vocabulary& vocabulary,
                              std::vector<std::pair<std::string, std::string>> merges,
                              const TokenizerTrainerOptions& options) {
  detail::TokenizerSpec spec;
  spec.where = "the trained tokenizer";
  for (std::int32_t id = 0; id < vocabulary.num_tokens(); ++id)
    spec.vocabulary.emplace_back(vocabulary[id], id);
  spec.merges = std::move(merges);
  for (std::size_t i = 0; i < options.special_tokens.size(); ++i) {
    detail::AddedToken added;
    added.id = std::int32_t(i);
    added.content = options.special_tokens[i];
    added.is_special = true;
    if (options.bos == added.content) spec.bos = added.id;
    if (options.eos == added.content) spec.eos = added.id;
    spec.added.push_back(std::move(added));
  }
  spec.pre_tokenizer = detail::byte_level_pre_tokenizer(options.splits_digits);
  spec.chat_template = options.chat_template;
  return spec;
}

}  // namespace

Result<Tokenizer> train_tokenizer(std::span<const std::string_view> texts,
                                  const TokenizerTrainerOptions& options) {
  PANAL_TRY(check_options(options));
  std::int64_t bytes_total = 0;
  for (const std::string_view text : texts) bytes_total += std::int64_t(text.size());
  if (bytes_total == 0)
    return Status(Code::kInvalidArgument, "training a tokenizer: there is no text");
  PANAL_ASSIGN(
      const detail::PreTokenizer pre_tokenizer,
      detail::PreTokenizer::from_json(detail::byte_level_pre_tokenizer(options.splits_digits),
                                      "training a tokenizer"));
  Vocabulary vocabulary(options.special_tokens);
  Reporter reporter(options, bytes_total, options.vocabulary_size - vocabulary.num_tokens());
  std::vector<Word> words = count_words(texts, pre_tokenizer, vocabulary, reporter);
  if (options.vocabulary_size > vocabulary.num_tokens())
    PANAL_TRY(check_merges_exist(words, options));
  Merger merger(std::move(words), vocabulary);
  std::vector<std::pair<std::string, std::string>> merges;
  while (vocabulary.num_tokens() < options.vocabulary_size) {
    if (!merger.step(std::max<std::int64_t>(1, options.minimum_count), merges)) {
      return Status(
          Code::kInvalidArgument,
          fmt::format(
              "training a tokenizer: {} bytes of text are enough for {} tokens, wanted {}: no "
              "two more occur side by side at least {} times. Ask for a smaller vocabulary or "
              "give more text",
              bytes_total, vocabulary.num_tokens(), options.vocabulary_size,
              options.minimum_count));
    }
    reporter.merges_done(std::int64_t(merges.size()));
  }
  return Tokenizer::from_spec(spec_of(vocabulary, std::move(merges), options));
}

}  // namespace panal::tokenizer
