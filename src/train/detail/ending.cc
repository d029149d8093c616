#include "train/detail/ending.h"

#include "evaluate/evaluate.h"
#include "train/detail/evaluator.h"
#include "train/detail/run_files.h"

namespace panal::train::detail {
namespace {

constexpr double kSampleTemperature = 0.8;

Status write_model(const recipe::RunConfig& config, const Corpus& corpus, const Trainer& trainer,
                   const std::filesystem::path& folder) {
  if (config.kind == recipe::RunKind::kLora) return trainer.decoder().save_adapter(folder);
  PANAL_TRY(trainer.decoder().save_hugging_face(folder));
  return corpus.tokenizer.save(folder);
}

}  // namespace

Result<std::string> write_result(const RunContext& context, const Corpus& corpus, Trainer& trainer,
                                 std::int64_t step, DiskPatience& patience, Logbook& logbook) {
  const recipe::RunConfig& config = context.config;
  std::string sample;
  PANAL_TRY(at_evaluation_point(context.ranks, trainer, step, [&]() -> Status {
    PANAL_TRY(patience.keep_trying([&] {
      return replace_folder(context.environment.files, context.at("model"),
                            [&](const std::filesystem::path& folder) {
                              return write_model(config, corpus, trainer, folder);
                            });
    }));
    if (config.evaluation.sample_tokens == 0) return Status();
    sample =
        evaluate::sample_text(trainer.decoder(), corpus.tokenizer, config.evaluation.sample_prompt,
                              config.evaluation.sample_tokens, kSampleTemperature, config.seed);
    context.events.on_sample(sample);
    return logbook.write_file("sample.txt", sample + "\n");
  }));
  return sample;
}

}  // namespace panal::train::detail
