// A model with everything needed to talk to it: token model, tokenizer, chat template and the
// serving engine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "data/encode_conversation.h"
#include "energy/meter.h"
#include "engine/commands/model_chat.h"
#include "model/token_model.h"
#include "model/torch_token_model.h"
#include "serve/engine.h"
#include "tokenizer/tokenizer.h"
#include "work/generation.h"

namespace panal::engine {

/// Immovable: the engine refers to its siblings.
class LoadedModel {
 public:
  static Result<std::unique_ptr<LoadedModel>> open(
      const std::string& core, const std::vector<model::AdapterSource>& adapters,
      std::int64_t max_context);

  /// The request with its input as tokens. A conversation goes through the model's chat template;
  /// one that ends with the assistant is continued there. Without a template it becomes a plain
  /// transcript. Nothing at all becomes the token that texts begin with. Errors: kUnsupported
  /// with the reason where the template failed its trial; kInvalidArgument
  /// for what the template refuses, token ids that are none, and a prompt without any token.
  Result<serve::TokenizedGeneration> prepare(work::Generation request) const;

  serve::Engine& engine() { return *engine_; }
  const tokenizer::Tokenizer& tokenizer() const { return tokenizer_; }
  const model::TokenModel& model() const { return *model_; }
  work::ServerFacts facts() const;

 private:
  Result<std::vector<std::int32_t>> tokens_of(const work::Generation& request) const;
  Result<std::vector<std::int32_t>> encode_chat(const work::Conversation& messages) const;

  LoadedModel(std::unique_ptr<model::TokenModel> model, tokenizer::Tokenizer tokenizer,
              ModelChat chat, const work::Sampling& sampling);

  SystemClock clock_;
  std::unique_ptr<energy::Meter> meter_;
  std::unique_ptr<model::TokenModel> model_;
  tokenizer::Tokenizer tokenizer_;
  const ModelChat chat_;
  std::optional<data::ChatEncoder> chat_encoder_;  // With the template.
  std::unique_ptr<serve::Engine> engine_;          // Last: it uses all of the above.
};

/// Adapters as the model's room calls them.
std::vector<model::AdapterSource> adapter_sources(const std::vector<work::AdapterFolder>& folders);
/// A tokenizer that fits the model: kInvalidArgument when it has ids the model has no embedding
/// for.
Result<tokenizer::Tokenizer> load_tokenizer_for(const std::string& path,
                                                std::int64_t vocabulary_size);
}  // namespace panal::engine
