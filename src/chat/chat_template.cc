#include "chat/chat_template.h"

#include "base/error.h"
#include "base/utf8.h"
#include "chat/detail/interpreter.h"

namespace panal::chat {
namespace {

using detail::Value;

// transformers fills these from each other, the standard name first.
Json with_reasoning(Json message) {
  if (!message.is_object()) return message;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    const auto found = message.find(name);
    if (found == message.end() || found->is_null()) continue;
    const Json reasoning = *found;
    if (!message.contains("thinking")) message["thinking"] = reasoning;
    message["reasoning_content"] = reasoning;
    break;
  }
  return message;
}

detail::Interpreter::Variables variables_of(const Json& messages,
                                            const ChatTemplateOptions& options) {
  detail::Interpreter::Variables variables;
  variables["tools"] = Value::none();
  variables["documents"] = Value::none();
  for (const auto& [name, value] : options.variables.items())
    variables[name] = Value::from_json(value);
  Json aliased = messages;
  if (aliased.is_array()) {
    for (Json& message : aliased) message = with_reasoning(std::move(message));
  }
  variables["messages"] = Value::from_json(aliased);
  variables["add_generation_prompt"] = Value::boolean(options.add_generation_prompt);
  variables["bos_token"] = Value::text(options.bos);
  variables["eos_token"] = Value::text(options.eos);
  return variables;
}

}  // namespace

std::tm local_time(const Clock& clock) {
  const auto seconds = std::time_t(clock.unix_ms() / 1000);
  std::tm time{};
  localtime_r(&seconds, &time);
  return time;
}

ChatTemplate::ChatTemplate(std::unique_ptr<const detail::TemplateProgram> program)
    : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  const std::string valid = replace_invalid_utf8(source);
  return capture(
      [&]() -> Result<ChatTemplate> { return ChatTemplate(detail::parse_template(valid)); });
}

Result<std::string> ChatTemplate::render(std::span<const ChatMessage> messages,
                                         const ChatTemplateOptions& options) const {
  Json list = Json::array();
  for (const ChatMessage& message : messages) {
    list.push_back({{"role", replace_invalid_utf8(message.role)},
                    {"content", replace_invalid_utf8(message.content)}});
  }
  return render(list, options);
}

Result<std::string> ChatTemplate::render(const Json& messages,
                                         const ChatTemplateOptions& options) const {
  return try_render(messages, options).text;
}

ChatTemplate::Rendering ChatTemplate::try_render(const Json& messages,
                                                 const ChatTemplateOptions& options) const {
  bool is_refused = false;
  auto text = capture([&]() -> Result<std::string> {
    detail::Interpreter interpreter(variables_of(messages, options), options.now);
    try {
      return interpreter.run(*program_);
    } catch (const detail::Refusal&) {
      is_refused = true;
      throw;
    }
  });
  return {std::move(text), is_refused};
}

bool ChatTemplate::mentions(std::string_view variable) const {
  return program_->names.contains(variable);
}

}  // namespace panal::chat
