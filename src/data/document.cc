#include "data/document.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace panal::data {
namespace {

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n\r\f\v") == std::string_view::npos;
}

// The best place in (low, high] to end a piece: after a blank line, else after a line, else after a
// sentence or a space, else before a character.
std::size_t cut_position(std::string_view text, std::size_t low, std::size_t high) {
  const std::string_view head = text.substr(0, high);
  for (const std::string_view mark : {"\n\n", "\n", ". ", " "}) {
    const std::size_t found = head.rfind(mark);
    if (found != std::string_view::npos && found + mark.size() > low) return found + mark.size();
  }
  std::size_t cut = high;
  while (cut > low && is_continuation(static_cast<unsigned char>(text[cut]))) --cut;
  return cut;
}

}  // namespace

void cut_documents(std::vector<Document>& documents, std::int64_t passage_bytes) {
  std::vector<Document> pieces;
  for (Document& document : documents) {
    if (document.is_conversation()) {
      pieces.push_back(std::move(document));
      continue;
    }
    for (std::string& piece : cut_passages(document.text, passage_bytes)) {
      pieces.push_back({.text = std::move(piece),
                        .source = document.source,
                        .reads_special_tokens = document.reads_special_tokens});
    }
    document = {};
  }
  documents = std::move(pieces);
}

Result<std::string> normalise_text(std::string_view bytes, std::string_view where) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (const std::size_t nul = bytes.find('\0'); nul != std::string_view::npos) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: expected UTF-8 text, found a NUL byte at offset {} (a binary file?)",
                    where, nul));
  }
  if (const std::size_t bad = first_invalid_utf8(bytes); bad != std::string_view::npos) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected UTF-8 text, found byte 0x{:02x} at offset {}", where,
                              static_cast<unsigned char>(bytes[bad]), bad));
  }
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '\r') {
      text += bytes[i];
    } else if (i + 1 >= bytes.size() || bytes[i + 1] != '\n') {
      text += '\n';
    }
  }
  return text;
}

std::string_view without_gutenberg_frame(std::string_view text) {
  // The marks stand on lines of their own: "*** START OF THE PROJECT GUTENBERG EBOOK ... ***".
  const auto find_mark = [&](std::string_view word) {
    for (std::size_t at = text.find("***"); at != std::string_view::npos;
         at = text.find("***", at + 3)) {
      const std::string_view line = text.substr(at, text.find('\n', at) - at);
      const bool starts_line = at == 0 || text[at - 1] == '\n';
      if (starts_line && line.find(word) != std::string_view::npos &&
          line.find("PROJECT GUTENBERG") != std::string_view::npos) {
        return at;
      }
    }
    return std::string_view::npos;
  };
  const std::size_t start = find_mark("START OF");
  if (start == std::string_view::npos) return text;
  std::size_t end = find_mark("END OF");
  if (end == std::string_view::npos || end <= start) end = text.size();
  const std::size_t begin = std::min(text.find('\n', start), end);
  text = text.substr(begin, end - begin);
  const std::size_t first = text.find_first_not_of('\n');
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

std::vector<std::string> cut_passages(std::string_view text, std::int64_t passage_bytes) {
  std::vector<std::string> pieces;
  const auto add = [&](std::string_view piece) {
    if (!is_blank(piece)) pieces.emplace_back(piece);
  };
  if (passage_bytes <= 0) {
    add(text);
    return pieces;
  }
  const auto wanted = static_cast<std::size_t>(passage_bytes);
  // A rest up to a quarter over the wanted length stays in one piece rather than leave a crumb.
  while (text.size() > wanted + wanted / 4) {
    const std::size_t cut = cut_position(text, wanted / 2, wanted);
    add(text.substr(0, cut));
    text.remove_prefix(cut);
  }
  add(text);
  return pieces;
}

}  // namespace panal::data
