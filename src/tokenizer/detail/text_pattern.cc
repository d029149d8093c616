#include "tokenizer/detail/text_pattern.h"

#include <fmt/format.h>

namespace panal::tokenizer::detail {

Result<TextPattern> TextPattern::read(const Json& description, std::string_view what,
                                      std::string_view where) {
  const Json pattern = description.value("pattern", Json());
  TextPattern read;
  if (json_has(pattern, "Regex")) {
    PANAL_ASSIGN(const std::string expression, json_string(pattern, "Regex", where));
    auto compiled = RegularExpression::compile(expression);
    if (!compiled.ok()) return compiled.status().with_context(where);
    read.expression_ = std::move(compiled).value();
    return read;
  }
  PANAL_ASSIGN(read.literal_, json_string(pattern, "String", where));
  if (read.literal_.empty()) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: {} must look for something, found an empty string", where, what));
  }
  return read;
}

void TextPattern::for_each_match(std::string_view text,
                                 const std::function<void(std::size_t, std::size_t)>& found) const {
  if (expression_) {
    expression_->for_each_match(text, found);
    return;
  }
  for (std::size_t hit = text.find(literal_); hit != std::string_view::npos;
       hit = text.find(literal_, hit + literal_.size())) {
    found(hit, hit + literal_.size());
  }
}

}  // namespace panal::tokenizer::detail
