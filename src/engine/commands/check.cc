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

// The settings a core came with; an empty object when it has none.
Result<Json> generation_config_of(const std::filesystem::path& folder) {
  const auto path = folder / "generation_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Json::object();
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMaxConfigBytes));
  return parse_json(text, path.string());
}

}  // namespace

Result<work::ModelFacts> check_model(const work::CheckModelJob& job, const JobContext&) {
  const std::string path = job.model.string();
  PANAL_ASSIGN(const model::Decoder decoder, model::load_decoder(path));
  const recipe::ModelConfig& config = decoder.config();
  work::ModelFacts facts{
      .architecture = std::string(recipe::architecture_name(config.architecture)),
      .parameters = config.num_parameters(),
      .layers = config.layers,
      .width = config.width,
      .heads = config.heads,
      .key_value_heads = config.key_value_heads,
      .feed_forward_width = config.feed_forward_width,
      .vocabulary_size = config.vocabulary_size,
      .context_length = config.context_length,
      .tied_embeddings = config.tied_embeddings};
  PANAL_ASSIGN(facts.unused_tensors, model::unused_tensors(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, config.vocabulary_size));
  facts.tokenizer_size = tokenizer.vocabulary_size();
  tell_chat(chat_of(tokenizer, SystemClock()), facts);
  return facts;
}

Result<work::AdapterFacts> check_adapter(const work::CheckAdapterJob& job, const JobContext&) {
  PANAL_ASSIGN(model::Decoder decoder, model::load_decoder(job.model.string()));
  PANAL_TRY(decoder.load_adapter(job.adapter.string()));
  const model::LoraConfig& lora = *decoder.lora();
  return work::AdapterFacts{.rank = lora.rank,
                            .alpha = lora.alpha,
                            .targets = lora.targets,
                            .base_model_name = lora.base_model_name,
                            .parameters = decoder.num_trainable_parameters()};
}

Result<work::ExportedFiles> export_model(const work::ExportModelJob& job, const JobContext&) {
  const std::string path = job.model.string();
  PANAL_ASSIGN(const model::Decoder decoder, model::load_decoder(path));
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, decoder.config().vocabulary_size));
  std::filesystem::create_directories(job.output);
  PANAL_TRY(decoder.save_hugging_face(job.output.string()));
  PANAL_TRY(tokenizer.save(job.output.string()));
  PANAL_ASSIGN(const Json generation, generation_config_of(path));
  PANAL_TRY(model::save_generation_config(job.output.string(), decoder.config(), generation,
                                          chat_of(tokenizer, SystemClock()).stop_ids));
  return work::ExportedFiles{.folder = job.output, .parameters = decoder.config().num_parameters()};
}

}  // namespace panal::engine
