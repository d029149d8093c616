// Reads the tokenizer inside a GGUF file. The file names its way of cutting text
// ("tokenizer.ggml.pre") instead of describing it; the names known here are mapped to what the
// models' tokenizer.json files say.
#include <fmt/format.h>

#include <array>

#include "base/utf8.h"
#include "tokenizer/detail/tokenizer_parts.h"
#include "tokenizer/tokenizer.h"
#include "weights/gguf.h"

namespace panal::tokenizer {
namespace {

using detail::AddedToken;
using detail::TokenizerSpec;

enum class Style { kGpt2, kDigits, kLlama3, kQwen2 };

struct NamedStyle {
  std::string_view name;
  Style style;
};

// "default" is what old converters wrote when they did not know; GPT-2's pattern is what those
// models had.
constexpr std::array<NamedStyle, 17> kStyles = {{{"smollm", Style::kDigits},
                                                 {"starcoder", Style::kDigits},
                                                 {"refact", Style::kDigits},
                                                 {"codeshell", Style::kDigits},
                                                 {"gpt-2", Style::kGpt2},
                                                 {"gpt2", Style::kGpt2},
                                                 {"phi-2", Style::kGpt2},
                                                 {"olmo", Style::kGpt2},
                                                 {"mpt", Style::kGpt2},
                                                 {"default", Style::kGpt2},
                                                 {"llama-bpe", Style::kLlama3},
                                                 {"llama3", Style::kLlama3},
                                                 {"llama-v3", Style::kLlama3},
                                                 {"falcon3", Style::kLlama3},
                                                 {"qwen2", Style::kQwen2},
                                                 {"deepseek-r1-qwen", Style::kQwen2},
                                                 {"megrez", Style::kQwen2}}};

constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json split_then_bytes(std::string_view pattern) {
  return {{"type", "Sequence"},
          {"pretokenizers", Json::array({Json{{"type", "Split"},
                                              {"pattern", {{"Regex", pattern}}},
                                              {"behavior", "Isolated"},
                                              {"invert", false}},
                                         Json{{"type", "ByteLevel"},
                                              {"add_prefix_space", false},
                                              {"trim_offsets", true},
                                              {"use_regex", false}}})}};
}

Result<Style> style_named(std::string_view name, std::string_view where) {
  std::string known;
  for (const NamedStyle& entry : kStyles) {
    if (entry.name == name) return entry.style;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  return Status(
      Code::kUnsupported,
      fmt::format("{}: tokenizer.ggml.pre is \"{}\", which panal does not know; known are {}",
                  where, name, known));
}

void apply_style(Style style, TokenizerSpec& spec) {
  switch (style) {
    case Style::kGpt2:
      spec.pre_tokenizer = detail::byte_level_pre_tokenizer(false);
      return;
    case Style::kDigits:
      spec.pre_tokenizer = detail::byte_level_pre_tokenizer(true);
      return;
    case Style::kLlama3:
      spec.pre_tokenizer = split_then_bytes(kLlama3Pattern);
      spec.ignores_merges = true;
      return;
    case Style::kQwen2:
      spec.pre_tokenizer = split_then_bytes(kQwen2Pattern);
      spec.normalizer = Json{{"type", "NFC"}};
      return;
  }
}

Status read_tokens(const weights::GgufFile& file, TokenizerSpec& spec) {
  constexpr std::int64_t kUserDefined = 4;
  constexpr std::int64_t kControl = 3;
  PANAL_ASSIGN(const auto tokens, file.string_views("tokenizer.ggml.tokens"));
  std::vector<std::int64_t> types(tokens.size(), 1);
  if (file.has("tokenizer.ggml.token_type")) {
    PANAL_ASSIGN(types, file.integers("tokenizer.ggml.token_type"));
  }
  if (types.size() != tokens.size() || tokens.size() > std::size_t(detail::kMaxVocabulary)) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: expected one token_type per token and at most {} tokens, found {} and {}",
                    spec.where, detail::kMaxVocabulary, types.size(), tokens.size()));
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!is_valid_utf8(tokens[i])) {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: token {} is not UTF-8", spec.where, i));
    }
    const auto id = std::int32_t(i);
    if (types[i] == kControl || types[i] == kUserDefined) {
      AddedToken added;
      added.id = id;
      added.content = tokens[i];
      added.is_special = types[i] == kControl;
      spec.added.push_back(std::move(added));
    }
    // Merges may make a user-defined token, never a control token.
    if (types[i] != kControl) spec.vocabulary.emplace_back(tokens[i], id);
  }
  return {};
}

Status read_merges(const weights::GgufFile& file, TokenizerSpec& spec) {
  PANAL_ASSIGN(const auto merges, file.string_views("tokenizer.ggml.merges"));
  spec.merges.reserve(merges.size());
  for (const std::string_view merge : merges) {
    // A token may itself begin with a space in odd files, so the first one is skipped, as llama.cpp
    // does.
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos) {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: a merge must be two tokens and one space, found \"{}\"",
                                spec.where, merge.substr(0, 60)));
    }
    spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return {};
}

Status read_ids(const weights::GgufFile& file, TokenizerSpec& spec) {
  const auto read = [&](const std::string& key, std::optional<std::int32_t>& id) -> Status {
    if (!file.has(key)) return {};
    PANAL_ASSIGN(const std::int64_t value, file.integer(key));
    if (value < 0 || value >= detail::kMaxVocabulary) {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: {} must be a token id, found {}", spec.where, key, value));
    }
    id = std::int32_t(value);
    return {};
  };
  PANAL_TRY(read("tokenizer.ggml.bos_token_id", spec.bos));
  PANAL_TRY(read("tokenizer.ggml.eos_token_id", spec.eos));
  for (const char* name : {"eot", "eom"}) {
    std::optional<std::int32_t> id;
    PANAL_TRY(read(fmt::format("tokenizer.ggml.{}_token_id", name), id));
    if (id) spec.more_stops.push_back(*id);
  }
  return {};
}

// Whether BOS and EOS come around a prompt. Files of Llama 3's kind that do not say it mean a BOS,
// as llama.cpp takes them.
Status read_prompt_ends(const weights::GgufFile& file, Style style, TokenizerSpec& spec) {
  const auto read = [&](const char* name, std::optional<bool>& is_added) -> Status {
    const std::string key = fmt::format("tokenizer.ggml.add_{}_token", name);
    if (!file.has(key)) return {};
    PANAL_ASSIGN(is_added, file.boolean(key));
    return {};
  };
  if (style == Style::kLlama3) spec.adds_bos = true;
  PANAL_TRY(read("bos", spec.adds_bos));
  return read("eos", spec.adds_eos);
}

// The padding tokens that converters add belong to no merge; BPE never makes them, so they do no
// harm.
Result<TokenizerSpec> read_spec(const weights::GgufFile& file) {
  TokenizerSpec spec;
  spec.where = file.path().string();
  PANAL_ASSIGN(const std::string model, file.string("tokenizer.ggml.model"));
  if (model != "gpt2") {
    const std::string_view hint = model == "llama" ? " (SentencePiece)" : "";
    return Status(Code::kUnsupported,
                  fmt::format("{}: panal reads byte-level BPE tokenizers (\"gpt2\"), found "
                              "tokenizer.ggml.model \"{}\"{}",
                              spec.where, model, hint));
  }
  std::string pre = "default";
  if (file.has("tokenizer.ggml.pre")) {
    PANAL_ASSIGN(pre, file.string("tokenizer.ggml.pre"));
  }
  PANAL_ASSIGN(const Style style, style_named(pre, spec.where));
  apply_style(style, spec);
  PANAL_TRY(read_tokens(file, spec));
  PANAL_TRY(read_merges(file, spec));
  PANAL_TRY(read_ids(file, spec));
  PANAL_TRY(read_prompt_ends(file, style, spec));
  if (file.has("tokenizer.chat_template")) {
    PANAL_ASSIGN(spec.chat_template, file.string("tokenizer.chat_template"));
  }
  return spec;
}

}  // namespace

Result<Tokenizer> Tokenizer::from_gguf(const weights::GgufFile& file) {
  PANAL_ASSIGN(TokenizerSpec spec, read_spec(file));
  return from_spec(std::move(spec));
}

}  // namespace panal::tokenizer
