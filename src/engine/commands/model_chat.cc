#include "engine/commands/model_chat.h"

#include <algorithm>

namespace panal::engine {

chat::ChatTemplateOptions chat_options(const tokenizer::Tokenizer& tokenizer, const Clock& clock) {
  chat::ChatTemplateOptions options;
  options.bos = tokenizer.bos_text();
  options.eos = tokenizer.eos_text();
  options.now = chat::local_time(clock);
  return options;
}

ModelChat chat_of(const tokenizer::Tokenizer& tokenizer, const Clock& clock) {
  ModelChat chat;
  chat.stop_ids = tokenizer.stop_ids();
  if (tokenizer.chat_template().empty()) return chat;
  auto parsed = chat::ChatTemplate::parse(tokenizer.chat_template());
  if (!parsed.ok()) {
    chat.trial.emplace().reason = parsed.status().message();
    return chat;
  }
  chat.trial = chat::try_chat(*parsed, chat_options(tokenizer, clock));
  if (!chat.trial->can_chat) return chat;
  chat.chat_template = std::move(*parsed);
  const auto after = tokenizer.encode(chat.trial->after_answer, tokenizer::SpecialTokens::kParse);
  if (!after.empty() && tokenizer.is_special(after.front())) {
    chat.stop_ids.push_back(after.front());
    std::ranges::sort(chat.stop_ids);
    const auto repeated = std::ranges::unique(chat.stop_ids);
    chat.stop_ids.erase(repeated.begin(), repeated.end());
  }
  return chat;
}

void tell_chat(const ModelChat& chat, work::ModelFacts& facts) {
  facts.can_chat = chat.trial && chat.trial->can_chat;
  if (!chat.trial) return;
  if (!facts.can_chat) {
    facts.why_no_chat = chat.trial->reason;
    return;
  }
  facts.takes_system = chat.trial->takes_system;
  facts.takes_tools = chat.trial->takes_tools;
  if (!chat.trial->tools_reason.empty()) facts.why_no_tools = chat.trial->tools_reason;
}

}  // namespace panal::engine
