#include "train/detail/opening.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "machine/inventory.h"
#include "tensor/device.h"
#include "tensor/runtime.h"
#include "train/detail/data_parallel.h"

namespace panal::train::detail {
namespace {

Result<model::Decoder> fresh_decoder(const recipe::RunConfig& config, const Corpus& corpus) {
  recipe::ModelConfig dimensions = config.model.dimensions;
  dimensions.vocabulary_size = corpus.facts.vocabulary_size;
  dimensions.bos_id = corpus.tokenizer.bos_id();
  dimensions.eos_id = corpus.tokenizer.eos_id();
  PANAL_TRY(recipe::validate(dimensions));
  return model::Decoder::random(dimensions, config.seed, config.memory.weights);
}

Result<model::Decoder> core_decoder(const recipe::RunConfig& config, const Corpus& corpus) {
  PANAL_ASSIGN(model::Decoder decoder, model::load_decoder(config.model.core));
  if (corpus.facts.vocabulary_size > decoder.config().vocabulary_size) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("the core's vocabulary must hold its tokenizer's {} tokens, found {}: {}",
                    corpus.facts.vocabulary_size, decoder.config().vocabulary_size,
                    config.model.core.string()));
  }
  if (config.batch.context > decoder.config().context_length) {
    return Status(Code::kInvalidArgument,
                  fmt::format("batch.context must be at most the core's context of {}, found {}",
                              decoder.config().context_length, config.batch.context));
  }
  return decoder;
}

Result<model::Decoder> make_decoder(const RunContext& context, const Corpus& corpus) {
  const recipe::RunConfig& config = context.config;
  const bool is_lora = config.kind == recipe::RunKind::kLora;
  PANAL_ASSIGN(model::Decoder decoder,
               is_lora ? core_decoder(config, corpus) : fresh_decoder(config, corpus));
  decoder.move_to(
      tensor::training_device(config.device, context.ranks.rank(), context.ranks.size()));
  if (is_lora) {
    decoder.add_lora({.rank = config.lora.rank,
                      .alpha = config.lora.alpha,
                      .targets = config.lora.targets,
                      .base_model_name = config.lora.base_model_name},
                     config.seed);
  }
  return decoder;
}

// Sums are taken in another order by another number of threads, which shows in the last bits.
void set_threads(const RunContext& context, std::optional<std::int64_t> earlier) {
  const auto wanted = context.config.limits.threads;
  const int processes = context.ranks.size();
  if (wanted == 0 && !earlier && processes == 1) return;
  const auto threads = processes > 1 ? machine::threads_of_process(wanted, processes)
                       : wanted > 0  ? wanted
                                     : *earlier;
  if (threads != tensor::num_threads()) tensor::set_num_threads(static_cast<int>(threads));
  if (!earlier || threads == *earlier || !context.ranks.leads()) return;
  context.events.on_message(fmt::format(
      "the run had {} compute threads and goes on with {}: its numbers will differ in their last "
      "bits from what they would have been",
      *earlier, threads));
}

void say_what_trains(const RunContext& context, Trainer& trainer) {
  context.events.on_message(
      fmt::format("{:.2f}M parameters, {:.2f}M of them trained, on {} tokens",
                  static_cast<double>(trainer.num_parameters()) / 1e6,
                  static_cast<double>(trainer.num_trainable_parameters()) / 1e6,
                  trainer.stream().num_tokens()));
  if (context.ranks.is_alone() || !trainer.decoder().device().is_cuda()) return;
  context.events.on_message(
      fmt::format("{} processes exchange gradients and weights {}", context.ranks.size(),
                  trainer.is_between_devices() ? "from device to device by NCCL"
                                               : "through the host's memory"));
}

}  // namespace

Result<Corpus> open_data(const RunContext& context) {
  const SignOfLife busy(context.ranks.group());
  const recipe::RunConfig& config = context.config;
  return open_corpus(
      config, {.files = context.environment.files,
               .run_directory = config.run_directory,
               .message = [&](std::string_view text) { context.events.on_message(text); },
               .threads = static_cast<int>(std::min<std::int64_t>(config.limits.threads, 256)),
               .stop = context.stop});
}

Result<std::unique_ptr<Trainer>> open_trainer(const RunContext& context, const Corpus& corpus,
                                              std::optional<std::int64_t> earlier_threads) {
  const recipe::RunConfig& config = context.config;
  set_threads(context, earlier_threads);
  tensor::return_free_heap();  // Preparing the text may have left some.
  tensor::seed_everything(config.seed);
  auto stream = data::TokenMixture::open(corpus.training, {.batch = config.batch.sequences,
                                                           .context = config.batch.context,
                                                           .end_of_text = corpus.end_of_text,
                                                           .seed = config.seed,
                                                           .packing = config.data.packing});
  if (!stream.ok()) return stream.status().with_context("training data");
  PANAL_ASSIGN(model::Decoder decoder, make_decoder(context, corpus));
  auto trainer = std::make_unique<Trainer>(config, std::move(decoder), std::move(*stream),
                                           context.ranks.group());
  say_what_trains(context, *trainer);
  return trainer;
}

}  // namespace panal::train::detail
