#include "chat/chat_template.h"
#include "engine/commands/commands.h"
#include "engine/commands/loaded_model.h"
#include "model/decoder.h"
#include "recipe/model_config.h"

namespace panal::engine {

Result<Json> check_model(const JobContext& job) {
  PANAL_ASSIGN(const std::string path, json_string(job.spec, "path", "job"));
  PANAL_ASSIGN(const model::Decoder decoder, model::load_decoder(path));
  const recipe::ModelConfig& config = decoder.config();
  PANAL_ASSIGN(const tokenizer::Tokenizer tokenizer,
               load_tokenizer_for(path, config.vocabulary_size));
  if (!tokenizer.chat_template().empty()) {
    PANAL_TRY(chat::ChatTemplate::parse(tokenizer.chat_template())
                  .status()
                  .with_context("chat template"));
  }
  return Json{{"architecture", recipe::architecture_name(config.architecture)},
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
              {"chat", !tokenizer.chat_template().empty()}};
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
  return Json{{"folder", output}, {"parameters", decoder.config().num_parameters()}};
}

}  // namespace panal::engine
