#include "engine/commands/loaded_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/commands/sampling_defaults.h"

namespace panal::engine {

std::vector<model::AdapterSource> adapter_sources(const std::vector<work::AdapterFolder>& folders) {
  std::vector<model::AdapterSource> sources;
  for (const auto& [name, folder] : folders) sources.push_back({name, folder});
  return sources;
}

Result<tokenizer::Tokenizer> load_tokenizer_for(const std::string& path,
                                                std::int64_t vocabulary_size) {
  PANAL_ASSIGN(tokenizer::Tokenizer tokenizer, tokenizer::Tokenizer::load(path));
  if (tokenizer.vocabulary_size() > vocabulary_size) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: the tokenizer has {} ids, but the model embeds only {}", path,
                              tokenizer.vocabulary_size(), vocabulary_size));
  }
  return tokenizer;
}

LoadedModel::LoadedModel(std::unique_ptr<model::TokenModel> model, tokenizer::Tokenizer tokenizer,
                         ModelChat chat, const work::Sampling& sampling)
    : meter_(energy::open_best_meter(clock_)),
      model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      chat_(std::move(chat)) {
  if (chat_.chat_template) chat_encoder_.emplace(tokenizer_, *chat_.chat_template);
  serve::EngineOptions options;
  options.stop_ids = chat_.stop_ids;
  options.sampling = sampling;
  options.meter = meter_.get();
  engine_ =
      std::make_unique<serve::Engine>(*model_, serve::text_decoders(tokenizer_), options, clock_);
}

Result<std::unique_ptr<LoadedModel>> LoadedModel::open(
    const std::string& core, const std::vector<model::AdapterSource>& adapters,
    std::int64_t max_context) {
  PANAL_ASSIGN(auto model, model::open_token_model(core, adapters, {.max_context = max_context}));
  PANAL_ASSIGN(tokenizer::Tokenizer tokenizer, load_tokenizer_for(core, model->vocabulary_size()));
  ModelChat chat = chat_of(tokenizer, SystemClock());
  PANAL_ASSIGN(const work::Sampling sampling, read_sampling_defaults(core));
  return std::unique_ptr<LoadedModel>(
      new LoadedModel(std::move(model), std::move(tokenizer), std::move(chat), sampling));
}

}  // namespace panal::engine
