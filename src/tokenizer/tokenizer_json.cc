// Reads tokenizer.json, tokenizer_config.json and generation_config.json. nlohmann::json is used
// instead of Json here: Json keeps the order of keys and looks them up one by one, too slow for a
// vocabulary.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tokenizer/detail/tokenizer_parts.h"

namespace panal::tokenizer::detail {
namespace {

using Value = nlohmann::json;

constexpr int kMaxDepth = 64;

Status invalid(std::string_view where, std::string_view what) {
  return Status(Code::kInvalidArgument, fmt::format("{}: {}", where, what));
}

// Counted before parsing: asking the parser at every level doubles its time.
bool is_nested_too_deep(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
      }
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

Result<Value> parse(std::string_view text, std::string_view where) {
  if (is_nested_too_deep(text)) {
    return invalid(where, fmt::format("JSON nested deeper than {} levels", kMaxDepth));
  }
  try {
    Value parsed = Value::parse(text);
    if (!parsed.is_object()) return invalid(where, "expected a JSON object");
    return parsed;
  } catch (const Value::parse_error& error) {
    return invalid(where, fmt::format("expected valid JSON, but it breaks at byte {} of {}",
                                      error.byte, text.size()));
  } catch (const Value::exception& error) {
    return invalid(where, fmt::format("not usable JSON: {}", error.what()));
  }
}

const Value& member(const Value& object, const char* key) {
  static const Value kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

// A boolean member; a missing or null one gives the default.
Result<bool> flag(const Value& object, const char* key, bool fallback, std::string_view where) {
  const Value& value = member(object, key);
  if (value.is_null()) return fallback;
  if (!value.is_boolean()) return invalid(where, fmt::format("\"{}\" must be true or false", key));
  return value.get<bool>();
}

Result<std::int32_t> token_id(const Value& value, std::string_view where) {
  if (!value.is_number_integer() || value < 0 || value >= kMaxVocabulary) {
    return invalid(where, fmt::format("a token id must be an integer from 0 to {}, found {}",
                                      kMaxVocabulary - 1, json_shown(Json(value))));
  }
  return value.get<std::int32_t>();
}

Status read_merges(const Value& merges, TokenizerSpec& spec) {
  if (!merges.is_array()) return invalid(spec.where, "model.merges must be a list");
  spec.merges.reserve(merges.size());
  for (const Value& merge : merges) {
    if (merge.is_string()) {
      const auto& pair = merge.get_ref<const std::string&>();
      const std::size_t space = pair.find(' ');
      if (space == std::string::npos || pair.find(' ', space + 1) != std::string::npos) {
        return invalid(spec.where,
                       fmt::format("a merge must be two tokens and one space, found \"{}\"",
                                   pair.substr(0, 60)));
      }
      spec.merges.emplace_back(pair.substr(0, space), pair.substr(space + 1));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      spec.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      return invalid(spec.where, fmt::format("a merge must be a pair of strings, found {}",
                                             json_shown(Json(merge))));
    }
  }
  return {};
}

Status refuse_other_models(const Value& model, std::string_view where) {
  const Value& type = member(model, "type");
  if (type.is_string() && type != "BPE") {
    return Status(
        Code::kUnsupported,
        fmt::format("{}: panal reads byte-level BPE tokenizers, found the model type \"{}\"", where,
                    type.get<std::string>()));
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Value& value = member(model, key);
    if (!value.is_null() && value != "") {
      return Status(Code::kUnsupported, fmt::format("{}: model.{} is not supported", where, key));
    }
  }
  const Value& dropout = member(model, "dropout");
  if (dropout.is_number() && dropout.get<double>() > 0) {
    return Status(Code::kUnsupported,
                  fmt::format("{}: model.dropout makes ids random; set it to null", where));
  }
  return {};
}

Status read_model(const Value& model, TokenizerSpec& spec) {
  if (!model.is_object()) return invalid(spec.where, "\"model\" is missing or not an object");
  PANAL_TRY(refuse_other_models(model, spec.where));
  const Value& vocabulary = member(model, "vocab");
  if (!vocabulary.is_object())
    return invalid(spec.where, "model.vocab must be an object of token to id");
  spec.vocabulary.reserve(vocabulary.size());
  for (const auto& [content, id] : vocabulary.items()) {
    PANAL_ASSIGN(const std::int32_t checked, token_id(id, spec.where));
    spec.vocabulary.emplace_back(content, checked);
  }
  PANAL_TRY(read_merges(member(model, "merges"), spec));
  PANAL_ASSIGN(spec.ignores_merges, flag(model, "ignore_merges", false, spec.where));
  PANAL_ASSIGN(spec.fuses_unknown, flag(model, "fuse_unk", false, spec.where));
  const Value& unknown = member(model, "unk_token");
  if (unknown.is_string()) spec.unknown_token = unknown.get<std::string>();
  return {};
}

Status read_added(const Value& list, TokenizerSpec& spec) {
  if (list.is_null()) return {};
  if (!list.is_array()) return invalid(spec.where, "added_tokens must be a list");
  for (const Value& item : list) {
    const Value& content = member(item, "content");
    if (!content.is_string())
      return invalid(spec.where, "an added token needs a string \"content\"");
    AddedToken added;
    added.content = content.get<std::string>();
    PANAL_ASSIGN(added.id, token_id(member(item, "id"), spec.where));
    PANAL_ASSIGN(added.is_special, flag(item, "special", false, spec.where));
    PANAL_ASSIGN(added.single_word, flag(item, "single_word", false, spec.where));
    PANAL_ASSIGN(added.strips_left, flag(item, "lstrip", false, spec.where));
    PANAL_ASSIGN(added.strips_right, flag(item, "rstrip", false, spec.where));
    PANAL_ASSIGN(added.is_normalized, flag(item, "normalized", !added.is_special, spec.where));
    spec.added.push_back(std::move(added));
  }
  return {};
}

Status check_decoder(const Value& decoder, std::string_view where) {
  const Value& type = member(decoder, "type");
  if (decoder.is_null() || type == "ByteLevel") return {};
  return Status(Code::kUnsupported, fmt::format("{}: expected the decoder ByteLevel, found {}",
                                                where, json_shown(Json(decoder))));
}

// "<|im_end|>" or {"content": "<|im_end|>"}: both forms are in use.
std::optional<std::string> token_name(const Value& value) {
  if (value.is_string()) return value.get<std::string>();
  const Value& content = member(value, "content");
  if (content.is_string()) return content.get<std::string>();
  return std::nullopt;
}

std::optional<std::int32_t> id_of(std::string_view name, const TokenizerSpec& spec) {
  for (const AddedToken& added : spec.added) {
    if (added.content == name) return added.id;
  }
  for (const auto& [content, id] : spec.vocabulary) {
    if (content == name) return id;
  }
  return std::nullopt;
}

// A string, or a list of named templates of which "default" counts.
std::string chat_template_of(const Value& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return {};
  for (const Value& item : value) {
    const Value& source = member(item, "template");
    if (member(item, "name") == "default" && source.is_string()) return source.get<std::string>();
  }
  return {};
}

Status read_config(std::string_view text, TokenizerSpec& spec) {
  if (text.empty()) return {};
  const std::string where = spec.where + " (tokenizer_config.json)";
  PANAL_ASSIGN(const Value config, parse(text, where));
  const auto read = [&](const char* key, std::optional<std::int32_t>& id) -> Status {
    const std::optional<std::string> name = token_name(member(config, key));
    if (!name) return {};
    id = id_of(*name, spec);
    if (id) return {};
    return invalid(
        where, fmt::format("\"{}\" is \"{}\", which no token is called", key, name->substr(0, 60)));
  };
  PANAL_TRY(read("bos_token", spec.bos));
  PANAL_TRY(read("eos_token", spec.eos));
  spec.chat_template = chat_template_of(member(config, "chat_template"));
  const auto read_flag = [&](const char* key, std::optional<bool>& is_added) -> Status {
    if (member(config, key).is_null()) return {};
    PANAL_ASSIGN(is_added, flag(config, key, false, where));
    return {};
  };
  PANAL_TRY(read_flag("add_bos_token", spec.adds_bos));
  return read_flag("add_eos_token", spec.adds_eos);
}

}  // namespace

Result<TokenizerSpec> read_tokenizer_json(std::string_view text, std::string_view where,
                                          std::string_view config_json) {
  TokenizerSpec spec;
  spec.where = where;
  PANAL_ASSIGN(const Value root, parse(text, where));
  PANAL_TRY(read_model(member(root, "model"), spec));
  PANAL_TRY(read_added(member(root, "added_tokens"), spec));
  PANAL_TRY(check_decoder(member(root, "decoder"), where));
  spec.normalizer = Json(member(root, "normalizer"));
  spec.pre_tokenizer = Json(member(root, "pre_tokenizer"));
  spec.post_processor = Json(member(root, "post_processor"));
  PANAL_TRY(read_config(config_json, spec));
  return spec;
}

Status add_stop_ids(std::string_view text, std::string_view where, TokenizerSpec& spec) {
  if (text.empty()) return {};
  PANAL_ASSIGN(const Value config, parse(text, where));
  const Value& eos = member(config, "eos_token_id");
  if (eos.is_null()) return {};
  for (const Value& id : eos.is_array() ? eos : Value::array({eos})) {
    if (id.is_number_integer() && id.get<std::int64_t>() == -1) continue;  // "None", as some say.
    PANAL_ASSIGN(const std::int32_t checked, token_id(id, where));
    spec.more_stops.push_back(checked);
  }
  return {};
}

}  // namespace panal::tokenizer::detail
