#include "tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "tokenizer/detail/tokenizer_parts.h"

namespace panal::tokenizer {
namespace {

// Pieces are positioned with 32 bits; longer texts are cut at line ends, where no pattern in use
// joins.
constexpr std::size_t kMaxPartBytes = std::size_t{1} << 30;

class BorrowedScratch {
 public:
  explicit BorrowedScratch(detail::ScratchPool& pool) : pool_(pool), scratch_(pool.take()) {}
  ~BorrowedScratch() { pool_.give_back(std::move(scratch_)); }
  BorrowedScratch(const BorrowedScratch&) = delete;
  BorrowedScratch& operator=(const BorrowedScratch&) = delete;
  detail::BpeModel::Scratch& operator*() { return *scratch_; }

 private:
  detail::ScratchPool& pool_;
  std::unique_ptr<detail::BpeModel::Scratch> scratch_;
};

void encode_part(const detail::TokenizerParts& parts, std::string_view text, detail::Pieces& pieces,
                 detail::BpeModel::Scratch& scratch, std::vector<std::int32_t>& ids) {
  while (!text.empty()) {
    std::string_view part = text.substr(0, kMaxPartBytes);
    if (part.size() < text.size()) {
      const std::size_t line = part.rfind('\n');
      std::size_t end = line == std::string_view::npos || line == 0 ? part.size() : line;
      while (end > 1 && (std::uint8_t(text[end]) & 0xC0) == 0x80) --end;
      part = text.substr(0, end);
    }
    parts.pre_tokenizer.split(part, pieces);
    for (const std::string_view piece : pieces.views) parts.model.encode(piece, scratch, ids);
    text.remove_prefix(part.size());
  }
}

std::string without(std::string_view text, std::string_view mark) {
  std::string kept;
  for (std::size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark)) {
    kept += text.substr(0, at);
    text.remove_prefix(at + mark.size());
  }
  return kept.append(text);
}

std::vector<std::int32_t> encode_valid(const detail::TokenizerParts& parts,
                                       detail::ScratchPool& scratch_pool, std::string_view text,
                                       const TextOptions& options) {
  const bool parse_special = options.special == SpecialTokens::kParse;
  std::vector<std::int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  detail::Pieces pieces;
  BorrowedScratch scratch(scratch_pool);
  const auto token = [&](std::int32_t id) { ids.push_back(id); };
  const auto plain = [&](std::string_view part) {
    if (options.shield.empty() || part.find(options.shield) == std::string_view::npos) {
      encode_part(parts, part, pieces, *scratch, ids);
    } else {
      encode_part(parts, without(part, options.shield), pieces, *scratch, ids);
    }
  };
  const auto to_normalize = [&](std::string_view part) {
    std::string normalized;
    if (!parts.normalizer.changes_nothing()) {
      normalized = parts.normalizer.apply(part);
      part = normalized;
    }
    if (parts.normalized_finder.is_empty()) {
      plain(part);
    } else {
      parts.normalized_finder.cut(part, parse_special, plain, token);
    }
  };
  if (parts.raw_finder.is_empty()) {
    to_normalize(text);
  } else {
    parts.raw_finder.cut(text, parse_special, to_normalize, token);
  }
  return ids;
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<detail::TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::from_spec(detail::TokenizerSpec spec) {
  PANAL_ASSIGN(auto parts, detail::compile_tokenizer(std::move(spec)));
  return Tokenizer(std::move(parts));
}

Result<PromptOptions> prompt_options(std::string_view special) {
  if (special == "read") return PromptOptions{};
  if (special == "none") {
    return PromptOptions{.special = SpecialTokens::kAsText, .adds_special_tokens = false};
  }
  return Status(Code::kInvalidArgument,
                fmt::format("special tokens must be \"read\" or \"none\", found \"{}\"",
                            special.substr(0, 60)));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  return encode(text, TextOptions{.special = special});
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text,
                                            const TextOptions& options) const {
  if (is_valid_utf8(text)) {
    return encode_valid(*parts_, parts_->scratch_pool, text, options);
  }
  return encode_valid(*parts_, parts_->scratch_pool, replace_invalid_utf8(text), options);
}

std::vector<std::int32_t> Tokenizer::encode_prompt(std::string_view text,
                                                   const PromptOptions& options) const {
  std::vector<std::int32_t> ids = encode(text, options.special);
  if (!options.adds_special_tokens) return ids;
  const auto& prefix = prompt_prefix();
  const bool is_there =
      ids.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), ids.begin());
  if (!is_there) ids.insert(ids.begin(), prefix.begin(), prefix.end());
  ids.insert(ids.end(), prompt_suffix().begin(), prompt_suffix().end());
  return ids;
}

const std::vector<std::int32_t>& Tokenizer::prompt_prefix() const { return parts_->ends.prefix; }
const std::vector<std::int32_t>& Tokenizer::prompt_suffix() const { return parts_->ends.suffix; }

Status Tokenizer::check_ids(std::span<const std::int32_t> ids) const {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::int32_t id = ids[i];
    if (id >= 0 && id < vocabulary_size() && parts_->tokens[std::size_t(id)].is_present) continue;
    return Status(Code::kInvalidArgument,
                  fmt::format("token ids must be those of the model's vocabulary, from 0 to {}, "
                              "found {} at position {}",
                              vocabulary_size() - 1, id, i));
  }
  return Status();
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const std::int32_t id : ids) {
    if (!skip_special || !is_special(id)) bytes += token_bytes(id);
  }
  return is_valid_utf8(bytes) ? bytes : replace_invalid_utf8(bytes);
}

const std::string& Tokenizer::token_bytes(std::int32_t id) const {
  static const std::string kNothing;
  if (id < 0 || std::size_t(id) >= parts_->tokens.size()) return kNothing;
  return parts_->tokens[std::size_t(id)].bytes;
}

std::optional<std::int32_t> Tokenizer::find(std::string_view bytes) const {
  const std::string key(bytes);
  if (const auto added = parts_->added_ids.find(key); added != parts_->added_ids.end()) {
    return added->second;
  }
  if (const auto known = parts_->model.ids.find(key); known != parts_->model.ids.end()) {
    return known->second;
  }
  return std::nullopt;
}

std::int32_t Tokenizer::vocabulary_size() const { return std::int32_t(parts_->tokens.size()); }
std::optional<std::int32_t> Tokenizer::bos_id() const { return parts_->bos; }
std::optional<std::int32_t> Tokenizer::eos_id() const { return parts_->eos; }
const std::vector<std::int32_t>& Tokenizer::stop_ids() const { return parts_->stop_ids; }

bool Tokenizer::is_special(std::int32_t id) const {
  return id >= 0 && std::size_t(id) < parts_->tokens.size() &&
         parts_->tokens[std::size_t(id)].is_special;
}

std::string Tokenizer::bos_text() const {
  return parts_->bos ? token_bytes(*parts_->bos) : std::string();
}
std::string Tokenizer::eos_text() const {
  return parts_->eos ? token_bytes(*parts_->eos) : std::string();
}
const std::string& Tokenizer::chat_template() const { return parts_->chat_template; }

std::vector<std::string> Tokenizer::special_texts() const {
  std::vector<std::string> texts;
  for (std::int32_t id = 0; id < vocabulary_size(); ++id) {
    if (is_special(id) && !token_bytes(id).empty()) texts.push_back(token_bytes(id));
  }
  return texts;
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer), skip_special_(skip_special) {}

std::string StreamDecoder::push(std::int32_t id) {
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  pending_ += tokenizer_.token_bytes(id);
  // A cut character can only be among the last three bytes.
  std::size_t cut = pending_.size();
  for (std::size_t back = 1; back <= 3 && back <= pending_.size(); ++back) {
    const std::size_t at = pending_.size() - back;
    if ((std::uint8_t(pending_[at]) & 0xC0) == 0x80) continue;
    const Utf8Step step = next_character(std::string_view(pending_).substr(at));
    if (step.is_cut) cut = at;
    break;
  }
  std::string whole = replace_invalid_utf8(std::string_view(pending_).substr(0, cut));
  pending_.erase(0, cut);
  return whole;
}

std::string StreamDecoder::finish() {
  std::string rest = replace_invalid_utf8(pending_);
  pending_.clear();
  return rest;
}

}  // namespace panal::tokenizer
