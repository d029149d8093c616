// The two faces of a tokenizer: the specification that files are read into and written from, and
// the compiled parts that encode.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/mutex.h"
#include "base/result.h"
#include "tokenizer/detail/added_tokens.h"
#include "tokenizer/detail/bpe_model.h"
#include "tokenizer/detail/normalizer.h"
#include "tokenizer/detail/pre_tokenizer.h"
#include "tokenizer/detail/prompt_ends.h"

namespace panal::tokenizer::detail {

/// Ids are below this: a wrong id in a file must not allocate the machine's memory.
constexpr std::int32_t kMaxVocabulary = 1 << 22;

struct TokenizerSpec {
  std::string where;                                             // Names the source in errors.
  std::vector<std::pair<std::string, std::int32_t>> vocabulary;  // In the byte alphabet.
  std::vector<std::pair<std::string, std::string>> merges;       // In the byte alphabet, by rank.
  std::vector<AddedToken> added;
  bool ignores_merges = false;
  bool fuses_unknown = false;
  std::optional<std::string> unknown_token;
  Json normalizer;      // As in tokenizer.json; null for none.
  Json pre_tokenizer;   // As in tokenizer.json.
  Json post_processor;  // As in tokenizer.json; null for none.
  /// What flags say: for where the post-processor adds nothing.
  std::optional<bool> adds_bos;
  std::optional<bool> adds_eos;
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> eos;
  std::vector<std::int32_t> more_stops;
  std::string chat_template;
};

struct Token {
  std::string bytes;
  bool is_present = false;      // False for a hole in the ids.
  bool is_in_model = false;     // Part of the BPE vocabulary (an added token may be both).
  bool is_in_alphabet = false;  // The file writes it in the byte alphabet; otherwise as it is.
  bool is_special = false;
};

/// Scratch spaces that threads borrow, so that word caches stay warm. Thread-safe.
class ScratchPool {
 public:
  std::unique_ptr<BpeModel::Scratch> take();
  void give_back(std::unique_ptr<BpeModel::Scratch> scratch);

 private:
  static constexpr std::size_t kMaxIdle = 8;
  Mutex mutex_;
  std::vector<std::unique_ptr<BpeModel::Scratch>> idle_ PANAL_GUARDED_BY(mutex_);
};

struct TokenizerParts {
  std::vector<Token> tokens;  // By id.
  BpeModel model;
  std::vector<std::pair<std::int32_t, std::int32_t>> merge_ids;  // By rank, for saving.
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  AddedTokenFinder raw_finder;         // Tokens looked for in the text as it is.
  AddedTokenFinder normalized_finder;  // Tokens looked for after normalising.
  std::vector<AddedToken> added;       // By id.
  std::unordered_map<std::string, std::int32_t> added_ids;
  std::vector<std::int32_t> stop_ids;
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> eos;
  std::string chat_template;
  std::optional<std::string> unknown_token;
  Json normalizer_json;
  Json pre_tokenizer_json;
  Json post_processor_json;
  PromptEnds ends;  // As post_processor_json says.
  ScratchPool scratch_pool;
};

/// Checks everything a specification claims. Errors: kInvalidArgument, kUnsupported.
Result<std::unique_ptr<TokenizerParts>> compile_tokenizer(TokenizerSpec spec);

/// Readers of the two kinds of files. `config_json` may be empty.
Result<TokenizerSpec> read_tokenizer_json(std::string_view text, std::string_view where,
                                          std::string_view config_json);
/// The eos_token_id of a generation_config.json or config.json, one or a list: more ends of an
/// answer. Nothing for an empty text.
Status add_stop_ids(std::string_view text, std::string_view where, TokenizerSpec& spec);

/// {"type":"ByteLevel",...}, as GPT-2 has it; after Digits when `splits_digits`.
Json byte_level_pre_tokenizer(bool splits_digits);

}  // namespace panal::tokenizer::detail
