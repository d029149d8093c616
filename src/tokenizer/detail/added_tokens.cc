#include "tokenizer/detail/added_tokens.h"
#include "base/utf8.h"

#include <algorithm>

#include "base/character_class.h"

namespace panal::tokenizer::detail {
namespace {

// The start of the character that ends before `end`. `end` > 0 and the text is valid.
std::size_t character_before(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && (std::uint8_t(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool is_space_at(std::string_view text, std::size_t at) {
  return character_class(next_character(text.substr(at)).character) == CharacterClass::kSpace;
}

bool is_word_at(std::string_view text, std::size_t at) {
  return is_word_character(next_character(text.substr(at)).character);
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin == 0 || !is_word_at(text, character_before(text, begin))) &&
         (end == text.size() || !is_word_at(text, end));
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  const auto goes_before = [](const AddedToken& a, const AddedToken& b) {
    if (a.content[0] != b.content[0])
      return std::uint8_t(a.content[0]) < std::uint8_t(b.content[0]);
    return a.content.size() > b.content.size();
  };
  std::stable_sort(tokens_.begin(), tokens_.end(), goes_before);
  first_bytes_.fill(-1);
  for (std::size_t i = tokens_.size(); i-- > 0;) {
    first_bytes_[std::uint8_t(tokens_[i].content[0])] = std::int32_t(i);
  }
}

const AddedToken* AddedTokenFinder::match_at(std::string_view text, std::size_t at) const {
  const std::int32_t first = first_bytes_[std::uint8_t(text[at])];
  if (first < 0) return nullptr;
  const std::string_view rest = text.substr(at);
  for (auto i = std::size_t(first); i < tokens_.size() && tokens_[i].content[0] == text[at]; ++i) {
    if (rest.starts_with(tokens_[i].content)) return &tokens_[i];
  }
  return nullptr;
}

void AddedTokenFinder::cut(std::string_view text, bool parse_special,
                           const std::function<void(std::string_view)>& text_part,
                           const std::function<void(std::int32_t)>& token_part) const {
  std::size_t done = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const AddedToken* token = match_at(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    std::size_t end = at + token->content.size();
    at = end;
    if (token->is_special && !parse_special) continue;
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    if (token->strips_left) {
      while (begin > done && is_space_at(text, character_before(text, begin))) {
        begin = character_before(text, begin);
      }
    }
    if (token->strips_right) {
      while (end < text.size() && is_space_at(text, end))
        end += next_character(text.substr(end)).num_bytes;
      at = end;
    }
    if (begin > done) text_part(text.substr(done, begin - done));
    token_part(token->id);
    done = end;
  }
  if (done < text.size()) text_part(text.substr(done));
}

}  // namespace panal::tokenizer::detail
