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

Json chat_facts(const ModelChat& chat) {
  if (!chat.trial) return {{"chat", false}};
  Json facts = {{"chat", chat.trial->can_chat}};
  if (!chat.trial->can_chat) {
    facts["chat_reason"] = chat.trial->reason;
    return facts;
  }
  facts["chat_system"] = chat.trial->takes_system;
  facts["chat_tools"] = chat.trial->takes_tools;
  if (!chat.trial->tools_reason.empty()) facts["chat_tools_reason"] = chat.trial->tools_reason;
  return facts;
}

}  // namespace panal::engine
