// Whether a model can chat, found out by use: its template renders small conversations before
// anybody relies on it. Called at import, so that a template that fails is known by its reason then
// and not by the first user.
#pragma once

#include <string>
#include <string_view>

#include "chat/chat_template.h"

namespace panal::chat {

struct ChatTrial {
  bool can_chat = false;
  /// Why it cannot: which conversation failed and with which words. "" when it can.
  std::string reason{};
  /// A system message is taken. Some templates refuse one; they can chat all the same.
  bool takes_system = false;
  /// Descriptions of tools reach the prompt, and calls and their results are taken.
  bool takes_tools = false;
  /// Why a template that mentions tools does not take them; "" otherwise.
  std::string tools_reason{};
  /// What the template writes after an answer of the assistant: "<|im_end|>\n". "" when it writes
  /// nothing or cannot chat.
  std::string after_answer{};
};

/// Renders a question, a second question after an answer, a system message, and tools where the
/// template mentions them. A model can chat when the template gives prompts with the questions in
/// them; that it refuses a system message by its own word does not count, that it fails on one
/// does. Only `bos`, `eos` and `now` of the options are used. Cost: a few renderings.
ChatTrial try_chat(const ChatTemplate& chat_template, const ChatTemplateOptions& options);
/// As above, from the source: a template that cannot be parsed cannot chat.
ChatTrial try_chat(std::string_view source, const ChatTemplateOptions& options);

}  // namespace panal::chat
