#include "engine/commands/loaded_model.h"

#include <fmt/format.h>

#include <algorithm>

namespace panal::engine {
namespace {

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

Result<std::vector<model::AdapterSource>> read_adapters(const Json& spec) {
  std::vector<model::AdapterSource> adapters;
  if (!json_has(spec, "adapters")) return adapters;
  if (!spec.at("adapters").is_array()) {
    return Status(Code::kInvalidArgument, "job: \"adapters\" must be a list of {name, folder}");
  }
  for (const Json& entry : spec.at("adapters")) {
    model::AdapterSource source;
    PANAL_ASSIGN(source.name, json_string(entry, "name", "job: adapters"));
    PANAL_ASSIGN(const std::string folder, json_string(entry, "folder", "job: adapters"));
    source.folder = folder;
    adapters.push_back(std::move(source));
  }
  return adapters;
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
                         ModelChat chat)
    : meter_(energy::open_best_meter(clock_)),
      model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      chat_(std::move(chat)) {
  if (chat_.chat_template) chat_encoder_.emplace(tokenizer_, *chat_.chat_template);
  serve::EngineOptions options;
  options.stop_ids = chat_.stop_ids;
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
  return std::unique_ptr<LoadedModel>(
      new LoadedModel(std::move(model), std::move(tokenizer), std::move(chat)));
}

Result<std::vector<std::int32_t>> LoadedModel::encode_chat(const Json& messages) const {
  if (chat_.trial && !chat_.trial->can_chat) {
    return Status(Code::kUnsupported,
                  "this model cannot chat, its chat template fails: " + chat_.trial->reason);
  }
  if (!chat_.chat_template) {
    // A base model has no turns: it goes on from the last message.
    if (!messages.is_array() || messages.empty()) {
      return Status(Code::kInvalidArgument,
                    "\"messages\" must be a list with at least one message");
    }
    PANAL_ASSIGN(const std::string content,
                 json_string(messages.back(), "content", "the last message"));
    return tokenizer_.encode_prompt(content, {.special = tokenizer::SpecialTokens::kAsText});
  }
  return chat_encoder_->prompt(messages, chat_options(tokenizer_, clock_));
}

std::vector<std::int32_t> LoadedModel::encode_text(const std::string& prompt,
                                                   const tokenizer::PromptOptions& options) const {
  return tokenizer_.encode_prompt(prompt, options);
}

Json stats_to_json(const serve::RequestStats& stats) {
  return Json{{"prompt_tokens", stats.prompt_tokens},
              {"completion_tokens", stats.completion_tokens},
              {"queue_ms", stats.queue_ms},
              {"prefill_ms", stats.prefill_ms},
              {"time_to_first_token_ms", or_null(stats.time_to_first_token_ms)},
              {"tokens_per_s", or_null(stats.decode_tokens_per_s)},
              {"total_ms", stats.total_ms},
              {"energy",
               {{"joules", or_null(stats.energy.joules)},
                {"method", stats.energy.method},
                {"detail", stats.energy.detail}}}};
}

}  // namespace panal::engine
