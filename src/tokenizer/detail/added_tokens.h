// Tokens that are found in the text before anything else happens to it ("<|im_end|>"), leftmost and
// longest first, with the options Hugging Face gives them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace panal::tokenizer::detail {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool is_special = false;   // Control tokens; encode(kAsText) leaves them text.
  bool single_word = false;  // Only between characters that are not part of words.
  bool strips_left = false;  // Takes the white space before it.
  bool strips_right = false;
  bool is_normalized = false;  // Looked for in the normalised text.
};

class AddedTokenFinder {
 public:
  AddedTokenFinder() { first_bytes_.fill(-1); }
  /// Empty contents are ignored.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  bool is_empty() const { return tokens_.empty(); }
  /// Calls `text_part` and `token_part` alternately as the text goes on; joined they cover it.
  void cut(std::string_view text, bool parse_special,
           const std::function<void(std::string_view)>& text_part,
           const std::function<void(std::int32_t)>& token_part) const;

 private:
  const AddedToken* match_at(std::string_view text, std::size_t at) const;
  std::vector<AddedToken> tokens_;             // By first byte, then longest first.
  std::array<std::int32_t, 256> first_bytes_;  // Where the tokens of that first byte begin, or -1.
};

}  // namespace panal::tokenizer::detail
