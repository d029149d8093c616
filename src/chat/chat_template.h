// A conversation becomes the prompt a chat model was trained on: an interpreter for the part of
// Jinja that chat templates use, with the settings of transformers (trim_blocks, lstrip_blocks,
// loop controls). Templates come with models and are untrusted: steps, output, sizes and depth are
// bounded, and nothing outside the given values can be reached.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace panal::chat {

namespace detail {
struct TemplateProgram;
}

struct ChatMessage {
  std::string role;     // "system", "user", "assistant", or what the template knows.
  std::string content;  // UTF-8.
};

struct ChatTemplateOptions {
  /// Ends the prompt with the opening of the assistant's turn.
  bool add_generation_prompt = true;
  std::string bos;
  std::string eos;
  /// Further variables of the template, an object: {"enable_thinking": false}.
  Json variables = Json::object();
};

/// Immutable after parse(); render() may be called from many threads. Movable.
///
/// Known: text, {{ }}, {# #}, {% for (else, if, recursive not) if set macro generation break
/// continue raw %}, whitespace control, loop.*, namespace(), range(), dict(), raise_exception(),
/// the operators of Jinja, tests such as `is defined`, filters such as trim, tojson, join,
/// selectattr, and the usual methods of str and dict. Anything else is an error that names it and
/// its line.
class ChatTemplate {
 public:
  /// Errors: kInvalidArgument with the line; kUnsupported for Jinja outside the subset.
  static Result<ChatTemplate> parse(std::string_view source);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  /// Equal to transformers' apply_chat_template(tokenize=False).
  /// Errors: kInvalidArgument with what the template said through raise_exception or what broke in
  /// which line; kResourceExhausted at 2,000,000 steps or 16 MiB of output.
  Result<std::string> render(std::span<const ChatMessage> messages,
                             const ChatTemplateOptions& options) const;
  /// As above, for messages with more than role and content: a JSON array of objects.
  Result<std::string> render(const Json& messages, const ChatTemplateOptions& options) const;

 private:
  explicit ChatTemplate(std::unique_ptr<const detail::TemplateProgram> program);
  std::unique_ptr<const detail::TemplateProgram> program_;
};

}  // namespace panal::chat
