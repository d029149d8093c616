#include "work/benchmark_jobs.h"

#include "work/detail/describe_machine.h"
#include "work/detail/describe_training.h"

namespace panal::work {
namespace {

using detail::OneOf;
using detail::Range;

constexpr Range<std::int64_t> kLayers{1, 1024};
constexpr Range<std::int64_t> kWidth{1, 1 << 16};
constexpr Range<std::int64_t> kHeads{1, 1024};
constexpr Range<std::int64_t> kVocabulary{1, 1 << 24};
constexpr Range<std::int64_t> kContext{2, 1 << 24};
constexpr Range<std::int64_t> kSequences{1, 1 << 16};
constexpr Range<std::int64_t> kSteps{1, 1'000'000'000};
constexpr Range<std::int64_t> kRounds{1, 1000};
constexpr Range<double> kPhaseSeconds{0, 3600};
constexpr Range<std::int64_t> kSeeds{1, 1000};
constexpr OneOf<2> kPrecisions{"fp32", "bf16"};
constexpr OneOf<2> kArchitectures{"gpt2", "llama"};
constexpr OneOf<2> kOptimizers{"adamw", "muon"};
constexpr OneOf<3> kRecompute{"none", "selective", "full"};
constexpr OneOf<3> kDevices{"auto", "cpu", "cuda"};

}  // namespace

template <typename Members>
void describe(Members& members, detail::Is<TrainingBenchmark> auto& self) {
  members.required("device", self.device);
  members.required("arch", self.arch, kArchitectures);
  members.required("layers", self.layers, kLayers);
  members.required("width", self.width, kWidth);
  members.required("heads", self.heads, kHeads);
  members.required("vocab", self.vocabulary_size, kVocabulary);
  members.required("context", self.context_length, kContext);
  members.required("parameters", self.parameters, detail::kPositive);
  members.required("tokens_per_s", self.tokens_per_s, detail::kNotNegative);
  members.required("step_s", self.step_s, detail::kNotNegative);
  members.required("step_s_low", self.step_s_low, detail::kNotNegative);
  members.required("step_s_high", self.step_s_high, detail::kNotNegative);
  members.required("gflops", self.gflops, detail::kNotNegative);
  members.required("gemm_peak_gflops", self.gemm_peak_gflops, detail::kNotNegative);
  members.required("mfu", self.mfu, detail::kNotNegative);
  members.optional("loss", self.loss);
  members.required("step_seconds", self.step_seconds, detail::kNotNegative);
  members.required("machine", self.machine);
  members.wish("peak_device_bytes", self.peak_device_bytes, detail::kCount);
  members.wish("peak_resident_bytes", self.peak_resident_bytes, detail::kCount);
  members.wish("base_resident_bytes", self.base_resident_bytes, detail::kCount);
}

template <typename Members>
void describe(Members& members, detail::Is<TrainingBenchmarkJob> auto& self) {
  members.wish("preset", self.preset);
  members.wish("arch", self.arch, kArchitectures);
  members.wish("layers", self.layers, kLayers);
  members.wish("width", self.width, kWidth);
  members.wish("heads", self.heads, kHeads);
  members.wish("vocab", self.vocabulary_size, kVocabulary);
  members.wish("context", self.context_length, kContext);
  members.required("batch", self.sequences, kSequences);
  members.required("steps", self.steps, kSteps);
  members.required("warmup", self.warmup_steps, detail::kCount);
  members.required("precision", self.precision, kPrecisions);
  members.defaulted("weights", self.weights, kPrecisions);
  members.defaulted("states", self.states, kPrecisions);
  members.defaulted("recompute", self.recompute, kRecompute);
  members.required("optimizer", self.optimizer, kOptimizers);
  members.required("device", self.device, kDevices);
}

template <typename Members>
void describe(Members& members, detail::Is<ContentionFigures> auto& self) {
  members.required("work", self.work);
  members.required("alone_tokens_per_s", self.alone_tokens_per_s, detail::kNotNegative);
  members.required("busy_tokens_per_s", self.busy_tokens_per_s, detail::kNotNegative);
  members.required("ratio", self.ratio, detail::kNotNegative);
  members.required("lowest_ratio", self.lowest_ratio, detail::kNotNegative);
  members.required("highest_ratio", self.highest_ratio, detail::kNotNegative);
  members.required("alone", self.alone, detail::kNotNegative);
  members.required("busy", self.busy, detail::kNotNegative);
}

template <typename Members>
void describe(Members& members, detail::Is<Contention> auto& self) {
  members.required("works", self.works);
  members.required("machine", self.machine);
}

template <typename Members>
void describe(Members& members, detail::Is<ContentionJob> auto& self) {
  members.required("rounds", self.rounds, kRounds);
  members.required("seconds", self.seconds_per_phase, kPhaseSeconds);
  members.wish("model", self.model);
}

template <typename Members>
void describe(Members& members, detail::Is<SeedFigure> auto& self) {
  members.required("mean", self.mean);
  members.required("low", self.low);
  members.required("high", self.high);
}

template <typename Members>
void describe(Members& members, detail::Is<RuleSettings> auto& self) {
  members.required("learning_rate", self.learning_rate, detail::kNotNegative);
  members.required("embedding_learning_rate", self.embedding_learning_rate, detail::kNotNegative);
  members.wish("extrapolation", self.extrapolation, detail::kNotNegative);
}

template <typename Members>
void describe(Members& members, detail::Is<RuleTrial> auto& self) {
  members.inlined(self.settings);
  members.optional("tokens", self.tokens, detail::kNotNegative);
  members.optional("final_loss", self.final_loss);
  members.required("cut_short", self.was_cut_short);
  members.required("diverged", self.has_diverged);
}

template <typename Members>
void describe(Members& members, detail::Is<SeedRun> auto& self) {
  members.required("seed", self.seed, detail::kCount);
  members.optional("steps", self.steps, detail::kNotNegative);
  members.optional("tokens", self.tokens, detail::kNotNegative);
  members.optional("seconds", self.seconds, detail::kNotNegative);
  members.optional("final_loss", self.final_loss);
  members.required("diverged", self.has_diverged);
  members.required("curve", self.curve);
}

template <typename Members>
void describe(Members& members, detail::Is<RuleFigures> auto& self) {
  members.required("rule", self.rule);
  members.inlined(self.settings);
  members.required("complete", self.is_complete);
  members.required("reached", self.num_reached, detail::kCount);
  members.optional("steps", self.steps);
  members.optional("tokens", self.tokens);
  members.optional("seconds", self.seconds);
  members.optional("tokens_by_adamw", self.tokens_by_adamw);
  members.optional("tokens_by_muon", self.tokens_by_muon);
  members.required("trials", self.trials);
  members.required("seeds", self.seeds);
}

template <typename Members>
void describe(Members& members, detail::Is<RuleGoal> auto& self) {
  members.required("rule", self.rule);
  members.required("than", self.than);
  members.required("goal", self.goal, detail::kNotNegative);
  members.optional("ratio", self.ratio);
  members.optional("met", self.is_met);
  members.required("verdict", self.verdict);
}

template <typename Members>
void describe(Members& members, detail::Is<OptimizerContest> auto& self) {
  members.required("status", self.status);
  members.optional("target", self.target, detail::kNotNegative);
  members.required("target_is_automatic", self.target_is_automatic);
  members.required("vocabulary", self.vocabulary_size, kVocabulary);
  members.required("parameters", self.parameters, detail::kPositive);
  members.required("tokens_per_step", self.tokens_per_step, detail::kPositive);
  members.required("training_tokens", self.training_tokens, detail::kCount);
  members.required("validation_tokens", self.validation_tokens, detail::kCount);
  members.required("dataset_sha256", self.dataset_sha256);
  members.required("machine", self.machine);
  members.required("rules", self.rules);
  members.required("goals", self.goals);
}

template <typename Members>
void describe(Members& members, detail::Is<OptimizerContestJob> auto& self) {
  members.required("data", self.data);
  members.required("rules", self.rules);
  members.wish("target", self.target, detail::kNotNegative);
  members.required("seeds", self.seeds, kSeeds);
  members.required("layers", self.layers, kLayers);
  members.required("width", self.width, kWidth);
  members.required("heads", self.heads, kHeads);
  members.required("vocab", self.vocabulary_size, kVocabulary);
  members.required("context", self.context_length, kContext);
  members.required("batch", self.sequences, kSequences);
  members.required("steps", self.most_steps, kSteps);
  members.required("warmup", self.warmup_steps, kSteps);
  members.required("every", self.evaluation_every, kSteps);
  members.required("validation_tokens", self.validation_tokens, kContext);
  members.required("precision", self.precision, kPrecisions);
  members.required("learning_rates", self.learning_rates, detail::kNotNegative);
  members.required("embedding_learning_rates", self.embedding_learning_rates, detail::kNotNegative);
  members.required("extrapolations", self.extrapolations, detail::kNotNegative);
}

PANAL_WORK_CODEC(TrainingBenchmarkJob)
PANAL_WORK_CODEC(TrainingBenchmark)
PANAL_WORK_PART(TrainingBenchmarkJob)
PANAL_WORK_PART(TrainingBenchmark)
PANAL_WORK_CODEC(ContentionJob)
PANAL_WORK_CODEC(Contention)
PANAL_WORK_PART(ContentionJob)
PANAL_WORK_PART(Contention)
PANAL_WORK_CODEC(OptimizerContestJob)
PANAL_WORK_CODEC(OptimizerContest)
PANAL_WORK_PART(OptimizerContestJob)
PANAL_WORK_PART(OptimizerContest)

}  // namespace panal::work
