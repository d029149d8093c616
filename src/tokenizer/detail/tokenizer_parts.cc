#include "tokenizer/detail/tokenizer_parts.h"
#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tokenizer/detail/byte_alphabet.h"

namespace panal::tokenizer::detail {
namespace {

// Tokens that end a turn in the chat formats in use, whatever the file calls its EOS.
constexpr std::array<std::string_view, 8> kEndsOfTurn = {
    "<|im_end|>",      "<|eot_id|>",    "<|eom_id|>", "<|end|>",
    "<|end_of_turn|>", "<end_of_turn>", "<|eot|>",    "<|end_of_text|>"};

Status invalid(const TokenizerSpec& spec, std::string_view what) {
  return Status(Code::kInvalidArgument, fmt::format("{}: {}", spec.where, what));
}

Result<Token*> place(std::int32_t id, std::string_view content, const TokenizerSpec& spec,
                     std::vector<Token>& tokens) {
  if (id < 0 || id >= kMaxVocabulary) {
    return invalid(spec, fmt::format("token ids must be from 0 to {}, found {} for \"{}\"",
                                     kMaxVocabulary - 1, id, content.substr(0, 40)));
  }
  if (std::size_t(id) >= tokens.size()) tokens.resize(std::size_t(id) + 1);
  return &tokens[std::size_t(id)];
}

Status add_vocabulary(const TokenizerSpec& spec, TokenizerParts& parts) {
  parts.model.byte_ids.fill(-1);
  for (const auto& [content, id] : spec.vocabulary) {
    PANAL_ASSIGN(Token * token, place(id, content, spec, parts.tokens));
    if (token->is_present) {
      return invalid(spec,
                     fmt::format("two tokens have the id {}: \"{}\"", id, content.substr(0, 40)));
    }
    std::optional<std::string> bytes = from_alphabet(content);
    token->is_present = true;
    token->is_in_model = true;
    token->is_in_alphabet = bytes.has_value();
    token->bytes = bytes ? std::move(*bytes) : content;
    if (!token->is_in_alphabet) continue;
    if (token->bytes.size() == 1) parts.model.byte_ids[std::uint8_t(token->bytes[0])] = id;
    parts.model.ids.emplace(token->bytes, id);
  }
  return {};
}

// Ids by what the file calls the tokens; the views are into the specification.
using IdsByContent = std::unordered_map<std::string_view, std::int32_t>;

Result<IdsByContent> ids_by_content(const TokenizerSpec& spec) {
  IdsByContent ids;
  ids.reserve(spec.vocabulary.size());
  for (const auto& [content, id] : spec.vocabulary) {
    if (!ids.emplace(content, id).second) {
      return invalid(spec, fmt::format("the vocabulary has \"{}\" twice", content.substr(0, 40)));
    }
  }
  return ids;
}

Status add_merges(const TokenizerSpec& spec, const IdsByContent& ids, TokenizerParts& parts) {
  parts.model.merges = MergeTable(spec.merges.size());
  parts.merge_ids.reserve(spec.merges.size());
  const auto id_of = [&](std::string_view content) {
    const auto found = ids.find(content);
    return found == ids.end() ? std::int32_t{-1} : found->second;
  };
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    const std::int32_t left_id = id_of(left);
    const std::int32_t right_id = id_of(right);
    const std::int32_t result = id_of(left + right);
    if (left_id < 0 || right_id < 0 || result < 0) {
      return invalid(
          spec, fmt::format("merge {} joins \"{}\" and \"{}\", but these and their union are not "
                            "all in the vocabulary",
                            rank, left.substr(0, 40), right.substr(0, 40)));
    }
    parts.model.merges.insert(left_id, right_id, {std::int32_t(rank), result});
    parts.merge_ids.emplace_back(left_id, right_id);
  }
  return {};
}

Status add_added_tokens(TokenizerSpec& spec, const IdsByContent& ids, TokenizerParts& parts) {
  // A token of the vocabulary keeps its id, whatever the list of added tokens says: so does
  // `tokenizers`.
  for (AddedToken& added : spec.added) {
    const auto known = ids.find(added.content);
    if (known != ids.end()) added.id = known->second;
  }
  std::sort(spec.added.begin(), spec.added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  std::vector<AddedToken> raw;
  std::vector<AddedToken> normalized;
  for (const AddedToken& added : spec.added) {
    if (!is_valid_utf8(added.content)) {
      return invalid(spec, fmt::format("added token {} is not UTF-8", added.id));
    }
    PANAL_ASSIGN(Token * token, place(added.id, added.content, spec, parts.tokens));
    const bool is_same = token->is_in_alphabet ? to_alphabet(token->bytes) == added.content
                                               : token->bytes == added.content;
    if ((token->is_present && !is_same) ||
        !parts.added_ids.emplace(added.content, added.id).second) {
      return invalid(spec, fmt::format("added token \"{}\" and another token clash at id {}",
                                       added.content.substr(0, 40), added.id));
    }
    if (!token->is_present) {
      token->is_present = true;
      token->bytes = from_alphabet(added.content).value_or(added.content);
    }
    token->is_special = added.is_special;
    if (added.is_normalized && !parts.normalizer.changes_nothing()) {
      AddedToken changed = added;
      changed.content = parts.normalizer.apply(added.content);
      normalized.push_back(std::move(changed));
    } else if (added.is_normalized) {
      normalized.push_back(added);
    } else {
      raw.push_back(added);
    }
  }
  parts.raw_finder = AddedTokenFinder(std::move(raw));
  parts.normalized_finder = AddedTokenFinder(std::move(normalized));
  parts.added = std::move(spec.added);
  return {};
}

Status add_ends(const TokenizerSpec& spec, TokenizerParts& parts) {
  const auto is_known = [&](std::int32_t id) {
    return id >= 0 && std::size_t(id) < parts.tokens.size() &&
           parts.tokens[std::size_t(id)].is_present;
  };
  for (const auto& id : {spec.bos, spec.eos}) {
    if (id && !is_known(*id)) {
      return invalid(spec, fmt::format("BOS or EOS has the id {}, which no token has", *id));
    }
  }
  parts.bos = spec.bos;
  parts.eos = spec.eos;
  std::vector<std::int32_t>& stops = parts.stop_ids;
  if (spec.eos) stops.push_back(*spec.eos);
  for (const std::int32_t id : spec.more_stops) {
    if (is_known(id)) stops.push_back(id);
  }
  for (const std::string_view name : kEndsOfTurn) {
    const auto found = parts.added_ids.find(std::string(name));
    if (found != parts.added_ids.end()) stops.push_back(found->second);
  }
  std::sort(stops.begin(), stops.end());
  stops.erase(std::unique(stops.begin(), stops.end()), stops.end());
  return {};
}

// The post-processor decides, as in transformers; where it adds nothing, or there is none, flags
// do: they become a post-processor, so that a saved folder says it to everybody.
Status add_prompt_ends(TokenizerSpec& spec, TokenizerParts& parts) {
  const auto is_token = [&](std::int64_t id) {
    return id >= 0 && std::size_t(id) < parts.tokens.size() &&
           parts.tokens[std::size_t(id)].is_present;
  };
  const auto named = [&](const std::optional<bool>& is_added,
                         const std::optional<std::int32_t>& id) -> std::optional<NamedToken> {
    if (!is_added.value_or(false) || !id) return std::nullopt;
    return NamedToken{.text = parts.tokens[std::size_t(*id)].bytes, .id = *id};
  };
  PANAL_ASSIGN(parts.ends, read_post_processor(spec.post_processor, spec.where, is_token));
  const auto bos = named(spec.adds_bos, parts.bos);
  const auto eos = named(spec.adds_eos, parts.eos);
  if ((bos || eos) && parts.ends.prefix.empty() && parts.ends.suffix.empty()) {
    spec.post_processor = post_processor_for(bos, eos);
    PANAL_ASSIGN(parts.ends, read_post_processor(spec.post_processor, spec.where, is_token));
  }
  parts.post_processor_json = std::move(spec.post_processor);
  return {};
}

}  // namespace

std::unique_ptr<BpeModel::Scratch> ScratchPool::take() {
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      auto scratch = std::move(idle_.back());
      idle_.pop_back();
      return scratch;
    }
  }
  return std::make_unique<BpeModel::Scratch>();
}

void ScratchPool::give_back(std::unique_ptr<BpeModel::Scratch> scratch) {
  constexpr std::size_t kMaxKeptSymbols = 1 << 16;
  if (scratch->symbols.capacity() >
      kMaxKeptSymbols) {  // One giant word must not hold its memory for ever.
    scratch->symbols = {};
    scratch->heap = {};
  }
  const MutexLock lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(scratch));
}

Result<std::unique_ptr<TokenizerParts>> compile_tokenizer(TokenizerSpec spec) {
  auto parts = std::make_unique<TokenizerParts>();
  PANAL_TRY(add_vocabulary(spec, *parts));
  PANAL_ASSIGN(const IdsByContent ids, ids_by_content(spec));
  PANAL_TRY(add_merges(spec, ids, *parts));
  PANAL_ASSIGN(parts->normalizer, Normalizer::from_json(spec.normalizer, spec.where));
  PANAL_ASSIGN(parts->pre_tokenizer, PreTokenizer::from_json(spec.pre_tokenizer, spec.where));
  PANAL_TRY(add_added_tokens(spec, ids, *parts));
  PANAL_TRY(add_ends(spec, *parts));
  if (parts->tokens.empty()) return invalid(spec, "the vocabulary is empty");
  parts->model.ignores_merges = spec.ignores_merges;
  parts->model.fuses_unknown = spec.fuses_unknown;
  if (spec.unknown_token) {
    const auto found = ids.find(*spec.unknown_token);
    if (found == ids.end()) {
      return invalid(spec,
                     fmt::format("unk_token \"{}\" is not in the vocabulary", *spec.unknown_token));
    }
    parts->model.unknown_id = found->second;
  }
  parts->unknown_token = std::move(spec.unknown_token);
  parts->chat_template = std::move(spec.chat_template);
  parts->normalizer_json = std::move(spec.normalizer);
  parts->pre_tokenizer_json = std::move(spec.pre_tokenizer);
  PANAL_TRY(add_prompt_ends(spec, *parts));
  return parts;
}

Json byte_level_pre_tokenizer(bool splits_digits) {
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  if (!splits_digits) return byte_level;
  return {{"type", "Sequence"},
          {"pretokenizers",
           Json::array({Json{{"type", "Digits"}, {"individual_digits", true}}, byte_level})}};
}

}  // namespace panal::tokenizer::detail
