// A model with everything needed to talk to it: token model, tokenizer, chat template and the
// serving engine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "data/encode_conversation.h"
#include "energy/meter.h"
#include "engine/commands/model_chat.h"
#include "model/token_model.h"
#include "model/torch_token_model.h"
#include "serve/engine.h"
#include "tokenizer/tokenizer.h"

namespace panal::engine {

/// Immovable: the engine refers to its siblings.
class LoadedModel {
 public:
  static Result<std::unique_ptr<LoadedModel>> open(
      const std::string& core, const std::vector<model::AdapterSource>& adapters,
      std::int64_t max_context);

  /// The prompt's tokens: `messages` (a JSON array) through the chat template, or a plain prompt.
  /// kUnsupported with the reason where the template failed its trial.
  Result<std::vector<std::int32_t>> encode_chat(const Json& messages) const;
  std::vector<std::int32_t> encode_text(const std::string& prompt,
                                        const tokenizer::PromptOptions& options = {}) const;

  serve::Engine& engine() { return *engine_; }
  const tokenizer::Tokenizer& tokenizer() const { return tokenizer_; }
  const model::TokenModel& model() const { return *model_; }
  bool has_chat_template() const { return chat_.chat_template.has_value(); }

 private:
  LoadedModel(std::unique_ptr<model::TokenModel> model, tokenizer::Tokenizer tokenizer,
              ModelChat chat);

  SystemClock clock_;
  std::unique_ptr<energy::Meter> meter_;
  std::unique_ptr<model::TokenModel> model_;
  tokenizer::Tokenizer tokenizer_;
  const ModelChat chat_;
  std::optional<data::ChatEncoder> chat_encoder_;  // With the template.
  std::unique_ptr<serve::Engine> engine_;          // Last: it uses all of the above.
};

/// Reads a list of {"name", "folder"}; an absent list is empty.
Result<std::vector<model::AdapterSource>> read_adapters(const Json& spec);
/// A tokenizer that fits the model: kInvalidArgument when it has ids the model has no embedding
/// for.
Result<tokenizer::Tokenizer> load_tokenizer_for(const std::string& path,
                                                std::int64_t vocabulary_size);
/// The stats of one answer as JSON; unknown numbers are null.
Json stats_to_json(const serve::RequestStats& stats);

}  // namespace panal::engine
