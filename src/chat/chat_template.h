// A conversation becomes the prompt a chat model was trained on: an interpreter for Jinja as chat
// templates use it, with the settings of transformers (sandbox, trim_blocks, lstrip_blocks, loop
// controls, its tojson, raise_exception, strftime_now and generation). Templates come with models
// and are untrusted: steps, output, sizes and depth are bounded, and nothing outside the given
// values can be reached.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
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

/// The date and time of this machine's wall clock, as transformers' strftime_now sees it.
std::tm local_time(const Clock& clock);

struct ChatTemplateOptions {
  /// Ends the prompt with the opening of the assistant's turn.
  bool add_generation_prompt = true;
  std::string bos;
  std::string eos;
  /// What strftime_now() writes. Without it the function is refused, so that no prompt depends on
  /// the day it is rendered unless the caller says so.
  std::optional<std::tm> now = {};
  /// Further variables of the template, an object: {"enable_thinking": false}.
  Json variables = Json::object();
};

/// Immutable after parse(); render() may be called from many threads. Movable.
///
/// Known: text, {{ }}, {# #}, {% for (if, else, recursive) if set macro call filter with generation
/// break continue raw %}, whitespace control, loop.*, namespace(), range(), dict(), joiner(),
/// cycler(), raise_exception(), strftime_now(), the operators of Jinja, its tests, its filters
/// (without pprint, random, striptags, urlize, wordwrap, xmlattr, filesizeformat), and the methods
/// of str, dict, list and tuple that change nothing. Arguments are bound as Python binds them.
/// Anything else is an error that names it and its line.
class ChatTemplate {
 public:
  /// Errors: kInvalidArgument with the line; kUnsupported for Jinja outside the subset.
  static Result<ChatTemplate> parse(std::string_view source);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  /// Equal to transformers' apply_chat_template(tokenize=False).
  /// Errors: kInvalidArgument with what the template said through raise_exception or what broke in
  /// which line; kUnsupported for what is not known here; kResourceExhausted at 2,000,000 steps or
  /// 16 MiB of output.
  Result<std::string> render(std::span<const ChatMessage> messages,
                             const ChatTemplateOptions& options) const;
  /// As above, for messages with more than role and content: a JSON array of objects. As in
  /// transformers a message's "reasoning_content", "thinking" and "reasoning" stand in for each
  /// other.
  Result<std::string> render(const Json& messages, const ChatTemplateOptions& options) const;

  /// Whether the template reads a variable of this name, "tools" for example.
  bool mentions(std::string_view variable) const;

  /// As render(), and whether an error is the template's own word (raise_exception).
  struct Rendering {
    Result<std::string> text;
    bool is_refused = false;
  };
  Rendering try_render(const Json& messages, const ChatTemplateOptions& options) const;

 private:
  explicit ChatTemplate(std::unique_ptr<const detail::TemplateProgram> program);
  std::unique_ptr<const detail::TemplateProgram> program_;
};

}  // namespace panal::chat
