// How a model chats: its template, tried before anybody relies on it, and the ids at which its
// answers end. One answer for the check at import, for serving and for export.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "chat/chat_template.h"
#include "chat/trial.h"
#include "tokenizer/tokenizer.h"

namespace panal::engine {

struct ModelChat {
  /// Nothing for a base model without a template, and where the trial failed.
  std::optional<chat::ChatTemplate> chat_template;
  /// Of a model that has a template.
  std::optional<chat::ChatTrial> trial;
  /// Every end of an answer, ascending: those of the tokenizer (EOS, generation_config.json,
  /// config.json, known ends of turns), and the special token that the template writes after an
  /// answer.
  std::vector<std::int32_t> stop_ids;
};
ModelChat chat_of(const tokenizer::Tokenizer& tokenizer, const Clock& clock);

/// What the template is rendered with, but for the conversation.
chat::ChatTemplateOptions chat_options(const tokenizer::Tokenizer& tokenizer, const Clock& clock);

/// The facts for the registry: {"chat", "chat_reason"?, "chat_system"?, "chat_tools"?}. A model
/// without a template says chat: false and no reason.
Json chat_facts(const ModelChat& chat);

}  // namespace panal::engine
