// What training text is made of: documents of valid UTF-8 without byte-order mark, with LF line
// ends, of a length a model can learn from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace panal::data {

/// A passage of text, or a conversation. `source` says where it came from (a path, a JSONL line)
/// and is for people and lineage only: nothing learns from it.
struct Document {
  /// Of a conversation what its turns say: what topics, languages and duplicates go by.
  std::string text{};
  std::string source{};
  /// A conversation as JSON, {"messages": [{"role", "content", ...}], "tools": [...]}: what a
  /// model's chat template renders. Empty for a plain text.
  std::string conversation = {};
  /// Of a plain text: "<|im_end|>" in it is that token, not characters.
  bool reads_special_tokens = false;

  bool is_conversation() const { return !conversation.empty(); }
  bool operator==(const Document&) const = default;
};

/// Byte-order mark dropped, CRLF and lone CR turned into LF. Errors: kInvalidArgument naming
/// `where` and the offset of the first NUL byte or of the first byte that is not UTF-8 (overlong
/// forms, surrogates and code points over U+10FFFF included).
Result<std::string> normalise_text(std::string_view bytes, std::string_view where);

/// The text between the marks of a Project Gutenberg file, or all of it when the marks are not
/// there.
std::string_view without_gutenberg_frame(std::string_view text);

/// Cuts text near `passage_bytes` bytes at a paragraph end, else a line end, else a space, never
/// inside a character; 0 keeps it whole. Each piece is at most 1.5 * passage_bytes long; a last
/// piece under a quarter of it joins the one before; pieces of only white space are dropped.
std::vector<std::string> cut_passages(std::string_view text, std::int64_t passage_bytes);

/// The same of each document in place; the pieces keep all else of their document. A conversation
/// is never cut.
void cut_documents(std::vector<Document>& documents, std::int64_t passage_bytes);

}  // namespace panal::data
