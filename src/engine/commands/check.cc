#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"
#include "engine/commands/model_chat.h"
#include "model/decoder.h"
#include "recipe/model_config.h"
#include "store/file_system.h"
#include "tokenizer/tokenizer.h"

namespace panal::engine {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

// The whole adapter is read and put over the core: shapes, rank and targets must fit.
Result<Json> check_adapter(const std::string& path, const std::string& folder) {
  PANAL_ASSIGN(model::Decoder decoder, model::load_decoder(path));
  PANAL_TRY(decoder.load_adapter(folder));
  const model::LoraConfig& lora = *decoder.lora();
  return Json{{"type", "lora"},
              {"rank", lora.rank},
              {"alpha", lora.alpha},
              {"targets", lora.targets},
              {"base_model_name", lora.base_model_name},
              {"parameters", decoder.num_trainable_parameters()}};
}

// The settings a core came with; an empty object when it has none.
Result<Json> generation_config_of(const std::filesystem::path& folder) {
  const auto path = folder / "generation_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Json::object();
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMaxConfigBytes));
  return parse_json(text, path.string());
}

}  // namespace

Result<Json> check_model(const JobContext& job) {
  PANAL_ASSIGN(const std::string path, json_string(job.spec, "path", "job"));
  if (json_has(job.spec, "adapter")) {
    PANAL_ASSIGN(const std::string adapter, json_string(job.spec, "adapter", "job"));
    return check_adapter(path, adapter);
  }
  PANAL_ASSIGN(const model::Decoder decoder, model::load_decoder(path));
  const recipe::ModelConfig& config = decoder.config();
  PANAL_ASSIGN(const std::vector<std::string> unused, model::unused_tensors(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, config.vocabulary_size));
  Json facts = {{"architecture", recipe::architecture_name(config.architecture)},
                {"parameters", config.num_parameters()},
                {"layers", config.layers},
                {"width", config.width},
                {"heads", config.heads},
                {"key_value_heads", config.key_value_heads},
                {"feed_forward_width", config.feed_forward_width},
                {"vocabulary_size", config.vocabulary_size},
                {"context_length", config.context_length},
                {"tied_embeddings", config.tied_embeddings},
                {"tokenizer_size", tokenizer.vocabulary_size()},
                {"unused_tensors", unused}};
  facts.update(chat_facts(chat_of(tokenizer, SystemClock())));
  return facts;
}

Result<Json> export_model(const JobContext& job) {
  PANAL_ASSIGN(const std::string path, json_string(job.spec, "path", "job"));
  PANAL_ASSIGN(const std::string output, json_string(job.spec, "output", "job"));
  PANAL_ASSIGN(const model::Decoder decoder, model::load_decoder(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, decoder.config().vocabulary_size));
  std::filesystem::create_directories(output);
  PANAL_TRY(decoder.save_hugging_face(output));
  PANAL_TRY(tokenizer.save(output));
  PANAL_ASSIGN(const Json generation, generation_config_of(path));
  PANAL_TRY(model::save_generation_config(output, decoder.config(), generation,
                                          chat_of(tokenizer, SystemClock()).stop_ids));
  return Json{{"folder", output}, {"parameters", decoder.config().num_parameters()}};
}

}  // namespace panal::engine
