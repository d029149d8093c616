// Writes a tokenizer the way transformers reads it. The vocabulary is written as text by hand: a
// JSON tree of it would cost ten times the time and memory.
#include <fmt/format.h>

#include "store/file_system.h"
#include "tokenizer/detail/byte_alphabet.h"
#include "tokenizer/detail/tokenizer_parts.h"
#include "tokenizer/tokenizer.h"

namespace panal::tokenizer {
namespace {

using detail::AddedToken;
using detail::Token;
using detail::TokenizerParts;

std::string quoted(const std::string& text) { return to_line(Json(text)); }

// As the file writes it: in the byte alphabet, or as it is.
std::string content_of(const Token& token) {
  return token.is_in_alphabet ? detail::to_alphabet(token.bytes) : token.bytes;
}

Json flags_of(const AddedToken& added) {
  return {{"content", added.content},          {"single_word", added.single_word},
          {"lstrip", added.strips_left},       {"rstrip", added.strips_right},
          {"normalized", added.is_normalized}, {"special", added.is_special}};
}

Json added_tokens(const TokenizerParts& parts) {
  Json list = Json::array();
  for (const AddedToken& added : parts.added) {
    Json item = {{"id", added.id}};
    item.update(flags_of(added));
    list.push_back(std::move(item));
  }
  return list;
}

std::string model_json(const TokenizerParts& parts) {
  const Json unknown = parts.unknown_token ? Json(*parts.unknown_token) : Json();
  std::string out = fmt::format(
      "{{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":{},\"continuing_subword_prefix\":null,"
      "\"end_of_word_suffix\":null,\"fuse_unk\":{},\"byte_fallback\":false,\"ignore_merges\":{},\n"
      "\"vocab\":{{",
      to_line(unknown), parts.model.fuses_unknown, parts.model.ignores_merges);
  std::string_view separator = "\n";
  const auto write = [&](const std::string& content, std::size_t id) {
    out += fmt::format("{}{}:{}", separator, quoted(content), id);
    separator = ",\n";
  };
  // Added tokens that the vocabulary lacks are numbered after it by `tokenizers`, whatever id the
  // file says: those before its end must therefore stand in it.
  std::size_t end = 0;
  for (std::size_t id = 0; id < parts.tokens.size(); ++id) {
    if (parts.tokens[id].is_in_model) end = id + 1;
  }
  auto added = parts.added.begin();
  for (std::size_t id = 0; id < end; ++id) {
    while (added != parts.added.end() && std::size_t(added->id) < id) ++added;
    const Token& token = parts.tokens[id];
    if (token.is_in_model) {
      write(content_of(token), id);
    } else if (added != parts.added.end() && std::size_t(added->id) == id) {
      write(added->content, id);
    }
  }
  out += "},\n\"merges\":[";
  separator = "\n";
  for (const auto& [left, right] : parts.merge_ids) {
    out += fmt::format("{}[{},{}]", separator, quoted(content_of(parts.tokens[std::size_t(left)])),
                       quoted(content_of(parts.tokens[std::size_t(right)])));
    separator = ",\n";
  }
  return out + "]}";
}

}  // namespace

std::string Tokenizer::to_tokenizer_json() const {
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", true},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  return fmt::format(
      "{{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n\"added_tokens\":{},\n"
      "\"normalizer\":{},\n\"pre_tokenizer\":{},\n\"post_processor\":{},\n\"decoder\":{},"
      "\n\"model\":{}}}\n",
      to_line(added_tokens(*parts_)), to_line(parts_->normalizer_json),
      to_line(parts_->pre_tokenizer_json), to_line(parts_->post_processor_json),
      to_line(byte_level), model_json(*parts_));
}

std::string Tokenizer::to_tokenizer_config_json() const {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"model_max_length", 1'000'000'000}};
  if (parts_->bos) config["bos_token"] = bos_text();
  if (parts_->eos) {
    config["eos_token"] = eos_text();
    config["pad_token"] = eos_text();
  }
  if (!parts_->chat_template.empty()) config["chat_template"] = parts_->chat_template;
  Json by_id = Json::object();
  for (const AddedToken& added : parts_->added) by_id[std::to_string(added.id)] = flags_of(added);
  config["added_tokens_decoder"] = std::move(by_id);
  return to_pretty(config) + "\n";
}

Status Tokenizer::save(const std::filesystem::path& folder) const {
  store::FileSystem& files = store::posix_file_system();
  PANAL_TRY(store::write_file_atomically(files, folder / "tokenizer.json", to_tokenizer_json()));
  return store::write_file_atomically(files, folder / "tokenizer_config.json",
                                      to_tokenizer_config_json());
}

}  // namespace panal::tokenizer
