#include "tokenizer/detail/prompt_ends.h"

#include <fmt/format.h>

namespace panal::tokenizer::detail {
namespace {

using IsToken = std::function<bool(std::int64_t)>;

Status wrong(std::string_view where, std::string_view what) {
  return Status(Code::kInvalidArgument, fmt::format("{}: post_processor: {}", where, what));
}

Result<std::int32_t> token_id(const Json& id, std::string_view where, const IsToken& is_token) {
  if (id.is_number_integer() && is_token(id.get<std::int64_t>())) return id.get<std::int32_t>();
  return wrong(where, fmt::format("{} is no token of the vocabulary", json_shown(id)));
}

// "single" is a list of {"SpecialToken": {"id": name}} and one {"Sequence": {"id": "A"}}; the ids
// of the names stand in "special_tokens".
Result<PromptEnds> read_template(const Json& json, std::string_view where,
                                 const IsToken& is_token) {
  PromptEnds ends;
  if (!json_has(json, "single") || !json.at("single").is_array()) {
    return wrong(where, "\"single\" must be a list");
  }
  bool is_after_text = false;
  for (const Json& piece : json.at("single")) {
    if (json_has(piece, "Sequence")) {
      if (is_after_text) return wrong(where, "\"single\" has the text twice");
      is_after_text = true;
      continue;
    }
    if (!json_has(piece, "SpecialToken")) {
      return wrong(where,
                   fmt::format("expected SpecialToken or Sequence, found {}", json_shown(piece)));
    }
    PANAL_ASSIGN(const std::string name, json_string(piece.at("SpecialToken"), "id", where));
    const Json& known = json_has(json, "special_tokens") ? json.at("special_tokens") : Json();
    if (!json_has(known, name) || !json_has(known.at(name), "ids") ||
        !known.at(name).at("ids").is_array()) {
      return wrong(where, fmt::format("\"special_tokens\" lacks \"{}\"", name.substr(0, 60)));
    }
    for (const Json& id : known.at(name).at("ids")) {
      PANAL_ASSIGN(const std::int32_t checked, token_id(id, where, is_token));
      (is_after_text ? ends.suffix : ends.prefix).push_back(checked);
    }
  }
  if (!is_after_text) return wrong(where, "\"single\" leaves out the text");
  return ends;
}

// "cls" and "sep" are [text, id].
Result<PromptEnds> read_class_and_separator(const Json& json, std::string_view where,
                                            const IsToken& is_token) {
  PromptEnds ends;
  for (const char* key : {"cls", "sep"}) {
    if (!json_has(json, key) || !json.at(key).is_array() || json.at(key).size() != 2) {
      return wrong(where, fmt::format("\"{}\" must be [text, id]", key));
    }
    PANAL_ASSIGN(const std::int32_t id, token_id(json.at(key)[1], where, is_token));
    (key == std::string_view("cls") ? ends.prefix : ends.suffix).push_back(id);
  }
  return ends;
}

Result<PromptEnds> read_sequence(const Json& json, std::string_view where,
                                 const IsToken& is_token) {
  PromptEnds ends;
  if (!json_has(json, "processors") || !json.at("processors").is_array()) {
    return wrong(where, "\"processors\" must be a list");
  }
  for (const Json& step : json.at("processors")) {
    if (json_has(step, "processors")) return wrong(where, "a Sequence inside a Sequence");
    PANAL_ASSIGN(const PromptEnds more, read_post_processor(step, where, is_token));
    ends.prefix.insert(ends.prefix.begin(), more.prefix.begin(), more.prefix.end());
    ends.suffix.insert(ends.suffix.end(), more.suffix.begin(), more.suffix.end());
  }
  return ends;
}

Json sequence_piece(std::string_view id, int type) {
  return {{"Sequence", {{"id", id}, {"type_id", type}}}};
}

}  // namespace

Result<PromptEnds> read_post_processor(const Json& post_processor, std::string_view where,
                                       const IsToken& is_token) {
  if (post_processor.is_null()) return PromptEnds{};
  PANAL_ASSIGN(const std::string type, json_string(post_processor, "type", where));
  if (type == "ByteLevel") return PromptEnds{};  // Of offsets only.
  if (type == "TemplateProcessing") return read_template(post_processor, where, is_token);
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    return read_class_and_separator(post_processor, where, is_token);
  }
  if (type == "Sequence") return read_sequence(post_processor, where, is_token);
  return Status(Code::kUnsupported,
                fmt::format("{}: post_processor is \"{}\"; known are ByteLevel, "
                            "TemplateProcessing, RobertaProcessing, BertProcessing and Sequence",
                            where, type.substr(0, 60)));
}

Json post_processor_for(const std::optional<NamedToken>& bos,
                        const std::optional<NamedToken>& eos) {
  if (!bos && !eos) return nullptr;
  Json single = Json::array(), pair = Json::array(), known = Json::object();
  const auto add = [&](const NamedToken& token, int type, Json& list) {
    list.push_back({{"SpecialToken", {{"id", token.text}, {"type_id", type}}}});
    known[std::string(token.text)] = {{"id", token.text},
                                      {"ids", Json::array({token.id})},
                                      {"tokens", Json::array({token.text})}};
  };
  const auto add_text = [&](const char* name, int type, Json& list) {
    if (bos) add(*bos, type, list);
    list.push_back(sequence_piece(name, type));
    if (eos) add(*eos, type, list);
  };
  add_text("A", 0, single);
  add_text("A", 0, pair);
  add_text("B", 1, pair);
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(known)}};
}

}  // namespace panal::tokenizer::detail
