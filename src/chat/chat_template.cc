#include "chat/chat_template.h"
#include "base/utf8.h"

#include "base/error.h"
#include "chat/detail/chat_template_interpreter.h"

namespace panal::chat {

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
  using detail::TemplateValue;
  return capture([&]() -> Result<std::string> {
    detail::TemplateInterpreter::Scope variables;
    variables["tools"] = TemplateValue::none();
    variables["documents"] = TemplateValue::none();
    for (const auto& [name, value] : options.variables.items()) {
      variables[name] = TemplateValue::from_json(value);
    }
    variables["messages"] = TemplateValue::from_json(messages);
    variables["add_generation_prompt"] = TemplateValue::boolean(options.add_generation_prompt);
    variables["bos_token"] = TemplateValue::text(options.bos);
    variables["eos_token"] = TemplateValue::text(options.eos);
    return detail::TemplateInterpreter(std::move(variables)).run(*program_);
  });
}

}  // namespace panal::chat
