// How a model chats: its template, tried before anybody relies on it, and the ids at which its
// answers end. One answer for the check at import, for serving and for export.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "chat/chat_template.h"
#include "chat/trial.h"
#include "tokenizer/tokenizer.h"
#include "work/check_jobs.h"

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

/// Writes down how it chats. A model without a template cannot, and there is no reason to tell.
void tell_chat(const ModelChat& chat, work::ModelFacts& facts);

}  // namespace panal::engine
