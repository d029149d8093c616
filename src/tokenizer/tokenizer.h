// Text becomes token ids and back: byte-level BPE with the ids of Hugging Face `tokenizers`, read
// from a tokenizer.json or from the metadata of a GGUF file, and written as a folder AutoTokenizer
// loads. Which normalisers, pre-tokenizers and GGUF names are known is listed in docs/formats.md
// and in the errors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace panal::weights {
class GgufFile;
}

namespace panal::tokenizer {

namespace detail {
struct TokenizerParts;
struct TokenizerSpec;
}  // namespace detail

/// What encode() makes of "<|im_end|>" in the text: plain characters (a user's text, training data)
/// or the token (text that a chat template rendered). Added tokens that are not special are always
/// parsed.
enum class SpecialTokens { kAsText, kParse };

struct TextOptions {
  SpecialTokens special = SpecialTokens::kAsText;
  /// Bytes that are taken out of the text after special tokens were looked for: inside one, they
  /// keep it from being read. "": none.
  std::string_view shield = {};
};

/// How a prompt that no chat template rendered is read. The defaults are the policy for all of them
/// (docs/guides/prompts.md): as the model's own tokenizer does it in transformers.
struct PromptOptions {
  SpecialTokens special = SpecialTokens::kParse;
  /// Put BOS and EOS where the tokenizer says: its post-processor, or else add_bos_token and
  /// add_eos_token of its config or GGUF file. A prompt that begins with the tokens that would come
  /// first gets them only once.
  bool adds_special_tokens = true;
};
/// What a person chooses: "read" (the default) or "none", which neither reads nor adds any.
/// Errors: kInvalidArgument for another word.
Result<PromptOptions> prompt_options(std::string_view special);

/// Immutable after loading; every const member may be called from many threads at once. Movable.
class Tokenizer {
 public:
  /// `path` is a model folder (tokenizer.json, with tokenizer_config.json, chat_template.jinja and
  /// generation_config.json where they exist; or else its only *.gguf), a .gguf file, or a
  /// tokenizer.json. Errors: kNotFound; kInvalidArgument and kCorrupt name the file and what was
  /// wanted; kUnsupported names the kind of tokenizer or the step of it that panal has not
  /// (SentencePiece, an unknown GGUF `pre`).
  static Result<Tokenizer> load(const std::filesystem::path& path);
  static Result<Tokenizer> from_gguf(const weights::GgufFile& file);
  /// The contents of a tokenizer.json and, when not empty, of a tokenizer_config.json. `where`
  /// names the source in errors.
  static Result<Tokenizer> from_json(std::string_view tokenizer_json, std::string_view where,
                                     std::string_view tokenizer_config_json = {});
  /// For the readers and the trainer of this room.
  static Result<Tokenizer> from_spec(detail::TokenizerSpec spec);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Token ids of `text`; no BOS or EOS is added, whatever the post-processor says. Byte order
  /// marks, CRLF, NUL and control characters are text. Each maximal invalid part of UTF-8 becomes
  /// U+FFFD, as Python's bytes.decode("utf-8", "replace") does it. A byte the vocabulary has no
  /// token for becomes the unknown token or, without one, nothing, as in `tokenizers` (SmolLM2
  /// lacks six control characters). Cost: linear; about 10 MB/s on one core for Spanish prose.
  std::vector<std::int32_t> encode(std::string_view text,
                                   SpecialTokens special = SpecialTokens::kAsText) const;
  std::vector<std::int32_t> encode(std::string_view text, const TextOptions& options) const;
  /// A prompt: encode(), and what comes before and after it.
  std::vector<std::int32_t> encode_prompt(std::string_view text,
                                          const PromptOptions& options = {}) const;
  /// What encode_prompt() puts before a text and after it; often nothing.
  const std::vector<std::int32_t>& prompt_prefix() const;
  const std::vector<std::int32_t>& prompt_suffix() const;
  /// That a prompt given as ids has only tokens of this vocabulary. Errors: kInvalidArgument naming
  /// the first that is not one, and where.
  Status check_ids(std::span<const std::int32_t> ids) const;
  /// The text of the tokens, always valid UTF-8: bytes that are not become U+FFFD by the same rule.
  /// Ids outside the vocabulary are left out.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const;
  /// The bytes one token stands for, not always whole characters; empty for an id outside the
  /// vocabulary.
  const std::string& token_bytes(std::int32_t id) const;
  /// The id of a token by its bytes or by the text of an added token: "<|im_end|>".
  std::optional<std::int32_t> find(std::string_view bytes) const;

  /// One more than the largest id. A model's embedding table may be larger (padded), never smaller.
  std::int32_t vocabulary_size() const;
  std::optional<std::int32_t> bos_id() const;
  std::optional<std::int32_t> eos_id() const;
  /// Ends of an answer: EOS, what generation_config.json adds, and end-of-turn tokens known by name
  /// (<|im_end|>, <|eot_id|>, ...). Ascending, may be empty.
  const std::vector<std::int32_t>& stop_ids() const;
  bool is_special(std::int32_t id) const;
  /// The texts of all special tokens: what a user's text must not be read as.
  std::vector<std::string> special_texts() const;
  /// Text of the BOS and EOS tokens for chat templates; "" when there is none.
  std::string bos_text() const;
  std::string eos_text() const;
  /// Jinja source of the chat template (see chat_template.h); "" when the model has none.
  const std::string& chat_template() const;

  /// Writes tokenizer.json and tokenizer_config.json into an existing folder, each atomically, so
  /// that transformers' AutoTokenizer and load() give the same ids.
  Status save(const std::filesystem::path& folder) const;
  /// The contents save() writes.
  std::string to_tokenizer_json() const;
  std::string to_tokenizer_config_json() const;

 private:
  explicit Tokenizer(std::unique_ptr<detail::TokenizerParts> parts);
  std::unique_ptr<detail::TokenizerParts>
      parts_;  // Constant after loading, but for its locked caches.
};

/// Text from tokens that arrive one by one: only whole UTF-8 characters come out, and all pieces
/// joined equal decode() of all ids. One thread at a time.
class StreamDecoder {
 public:
  /// The tokenizer must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  /// The text that became complete; may be empty.
  std::string push(std::int32_t id);
  /// What is left at the end: an unfinished character becomes U+FFFD.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  const bool skip_special_;
  std::string pending_;  // At most 3 bytes: the start of a character that may still become whole.
};

}  // namespace panal::tokenizer
