#include "train/contention_benchmark.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randint.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "machine/inventory.h"
#include "model/decoder.h"
#include "model/torch_token_model.h"
#include "optim/optimizer.h"
#include "tensor/named_tensor.h"

namespace panal::train {
namespace {

constexpr int kWarmupSteps = 2;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

// Something that is done again and again.
class Work {
 public:
  virtual ~Work() = default;
  /// Gives how many tokens it took.
  virtual Result<std::int64_t> step() = 0;
};

// Updates of a fresh model, or of a fresh adapter over one, on random tokens.
class TrainingWork final : public Work {
 public:
  struct Options {
    recipe::ModelConfig model{};
    std::int64_t sequences = 1;
    tensor::Precision precision = tensor::Precision::kFloat32;
    std::optional<std::int64_t> lora_rank{};
  };
  explicit TrainingWork(const Options& options)
      : decoder_(model::Decoder::random(options.model, 1)) {
    if (options.lora_rank) {
      model::LoraConfig lora;
      lora.rank = *options.lora_rank;
      decoder_.add_lora(lora, 1);
    }
    decoder_.set_training_precision(options.precision);
    parameters_ = decoder_.trainable_parameters();
    optimizer_ = optim::make_optimizer({}, parameters_);
    at::Generator generator = at::detail::createCPUGenerator(1);
    for (at::Tensor* tokens : {&tokens_, &targets_}) {
      *tokens =
          at::randint(0, options.model.vocabulary_size,
                      {options.sequences, options.model.context_length}, generator, at::kLong);
    }
  }
  Result<std::int64_t> step() override {
    for (const auto& parameter : parameters_) {
      at::Tensor value = parameter.value;
      value.mutable_grad() = at::Tensor();
    }
    decoder_.weights_changed();
    decoder_.loss(tokens_, targets_).backward();
    optimizer_->step(1.0);
    return tokens_.numel();
  }

 private:
  model::Decoder decoder_;
  std::vector<tensor::NamedTensor> parameters_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  at::Tensor tokens_, targets_;
};

// One stream, token by token.
class GeneratingWork final : public Work {
 public:
  explicit GeneratingWork(std::unique_ptr<model::TokenModel> model)
      : model_(std::move(model)),
        most_(std::min<std::int64_t>(kMostTokens, model_->context_length())),
        logits_(static_cast<std::size_t>(model_->vocabulary_size())) {}
  Result<std::int64_t> step() override {
    if (!sequence_ || model_->sequence_length(*sequence_) == most_) {
      if (sequence_) model_->close_sequence(*sequence_);
      sequence_.reset();
      PANAL_ASSIGN(sequence_, model_->open_sequence("", most_));
    }
    const auto likeliest =
        static_cast<std::int32_t>(std::ranges::max_element(logits_) - logits_.begin());
    const std::array<std::int32_t, 1> token{likeliest};
    const std::array<model::SequenceStep, 1> steps{{{.sequence = *sequence_, .tokens = token}}};
    PANAL_TRY(model_->forward(steps, logits_));
    return 1;
  }

 private:
  static constexpr std::int64_t kMostTokens = 256;

  std::unique_ptr<model::TokenModel> model_;
  std::int64_t most_;
  std::vector<float> logits_;
  std::optional<std::int64_t> sequence_;
};

struct Kind {
  std::string name;
  std::function<Result<std::unique_ptr<Work>>()> make;  // One exists at a time.
};

std::vector<Kind> kinds_of(const ContentionOptions& options) {
  using Made = Result<std::unique_ptr<Work>>;
  const auto training = [](const TrainingWork::Options& of) {
    return [of]() -> Made { return std::unique_ptr<Work>(std::make_unique<TrainingWork>(of)); };
  };
  std::vector<Kind> kinds;
  for (const auto precision : {tensor::Precision::kFloat32, tensor::Precision::kBFloat16}) {
    if (precision == tensor::Precision::kBFloat16 && !machine::cpu_multiplies_bfloat16()) continue;
    kinds.push_back(
        {fmt::format("pretrain {}", tensor::precision_name(precision)),
         training(
             {.model = options.model, .sequences = options.sequences, .precision = precision})});
  }
  kinds.push_back({fmt::format("lora {}", tensor::precision_name(options.lora_precision)),
                   training({.model = options.core,
                             .sequences = options.core_sequences,
                             .precision = options.lora_precision,
                             .lora_rank = options.lora_rank})});
  if (!options.served.empty()) {
    kinds.push_back({"generate", [core = options.served]() -> Made {
                       PANAL_ASSIGN(auto model, model::open_token_model(core));
                       return std::unique_ptr<Work>(
                           std::make_unique<GeneratingWork>(std::move(model)));
                     }});
  }
  return kinds;
}

// Tokens per second over whole steps.
Result<double> speed_of(Work& work, const Clock& clock, double least_seconds,
                        const std::stop_token& stop) {
  const Nanoseconds begin = clock.steady_now();
  std::int64_t tokens = 0;
  double spent = 0;
  do {
    if (stop.stop_requested()) return Status(Code::kCancelled, "stopped while measuring");
    PANAL_ASSIGN(const std::int64_t taken, work.step());
    tokens += taken;
    spent = seconds(clock.steady_now() - begin);
  } while (spent < least_seconds);
  return static_cast<double>(tokens) / spent;
}

void summarise(work::ContentionFigures& result) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < result.alone.size(); ++i)
    ratios.push_back(result.busy[i] / result.alone[i]);
  result.alone_tokens_per_s = median(result.alone);
  result.busy_tokens_per_s = median(result.busy);
  result.ratio = median(ratios);
  result.lowest_ratio = *std::ranges::min_element(ratios);
  result.highest_ratio = *std::ranges::max_element(ratios);
}

// Calls set_busy(false) when it goes.
class Busy {
 public:
  explicit Busy(const std::function<void(bool)>& set) : set_(set) {}
  ~Busy() { set_(false); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  void set(bool is_busy) const { set_(is_busy); }

 private:
  const std::function<void(bool)>& set_;
};

}  // namespace

Result<std::vector<work::ContentionFigures>> benchmark_contention(
    const ContentionOptions& options, const Clock& clock,
    const std::function<void(bool is_busy)>& set_busy,
    const std::function<void(double fraction)>& on_phase, std::stop_token stop) {
  PANAL_TRY(recipe::validate(options.model));
  PANAL_TRY(recipe::validate(options.core));
  const Busy busy(set_busy);
  const std::vector<Kind> kinds = kinds_of(options);
  const auto phases = static_cast<double>(2 * options.rounds) * static_cast<double>(kinds.size());
  double done = 0;
  std::vector<work::ContentionFigures> results;
  for (const Kind& kind : kinds) {
    work::ContentionFigures result{.work = kind.name};
    PANAL_ASSIGN(const std::unique_ptr<Work> work, kind.make());
    for (int i = 0; i < kWarmupSteps; ++i) PANAL_TRY(work->step().status());
    for (std::int64_t round = 0; round < options.rounds; ++round) {
      for (const bool is_busy : {false, true}) {
        busy.set(is_busy);
        PANAL_ASSIGN(const double found, speed_of(*work, clock, options.seconds_per_phase, stop));
        (is_busy ? result.busy : result.alone).push_back(found);
        on_phase(++done / phases);
      }
    }
    busy.set(false);
    summarise(result);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace panal::train
