// The plan against real steps: every tensor that a step makes goes through an allocator that
// counts.
#include "recipe/memory_plan.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "machine/inventory.h"
#include "model/decoder.h"
#include "tensor/named_tensor.h"
#include "tensor/step_sizes.h"
#include "tests/train/toy_ranks.h"
#include "tests/train/toy_run.h"
#include "train/detail/snapshot.h"
#include "train/detail/trainer.h"

namespace panal::train {
namespace {

// What the thread's allocations are counted for: 0, or the rank that it is, from 1.
thread_local std::size_t counted_for = 0;
constexpr std::size_t kMostCounted = 4;

// Stands before torch's own allocator and remembers the most that was held at once. oneDNN asks it
// for raw memory, so what is held is found by its address.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* data = c10::alloc_cpu(bytes);
    if (data != nullptr) {
      const std::lock_guard lock(mutex_);
      const auto size = static_cast<std::int64_t>(bytes);
      sizes_[data] = {counted_for, size};
      Count& count = counts_[counted_for];
      count.most = std::max(count.most, count.held += size);
    }
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  /// Bytes held now by what this thread counts for, from where the most is counted anew.
  std::int64_t start() {
    const std::lock_guard lock(mutex_);
    return counts_[counted_for].most = counts_[counted_for].held;
  }
  std::int64_t most() {
    const std::lock_guard lock(mutex_);
    return counts_[counted_for].most;
  }

 private:
  struct Count {
    std::int64_t held = 0, most = 0;
  };
  static void give_back(void* data);
  std::mutex mutex_;
  // Guarded by mutex_, as the next one.
  std::map<void*, std::pair<std::size_t, std::int64_t>> sizes_;
  std::array<Count, kMostCounted> counts_{};
};

// Lives as long as the process: tensors that torch keeps may outlive a test.
CountingAllocator& counting_allocator() {
  static auto* allocator = [] {
    auto* made = new CountingAllocator;
    c10::SetCPUAllocator(made, /*priority=*/200);
    return made;
  }();
  return *allocator;
}

void CountingAllocator::give_back(void* data) {
  CountingAllocator& allocator = counting_allocator();
  {
    const std::lock_guard lock(allocator.mutex_);
    const auto found = allocator.sizes_.find(data);
    if (found != allocator.sizes_.end()) {
      allocator.counts_[found->second.first].held -= found->second.second;
      allocator.sizes_.erase(found);
    }
  }
  c10::free_cpu(data);
}

struct Case {
  const char* name;
  recipe::StepShape shape;
};

recipe::ModelConfig dimensions(recipe::Architecture architecture, std::int64_t layers,
                               std::int64_t width, std::int64_t heads, std::int64_t vocabulary,
                               std::int64_t context) {
  return recipe::with_usual_shape({.architecture = architecture,
                                   .vocabulary_size = vocabulary,
                                   .width = width,
                                   .layers = layers,
                                   .heads = heads,
                                   .context_length = context,
                                   .tied_embeddings = architecture == recipe::Architecture::kGpt2});
}

std::vector<Case> cases() {
  using enum recipe::Architecture;
  std::vector<Case> all;
  for (const auto precision : {tensor::Precision::kFloat32, tensor::Precision::kBFloat16}) {
    const auto add = [&](const char* name, recipe::ModelConfig model, std::int64_t sequences,
                         recipe::Rule rule) {
      recipe::StepShape shape{
          .model = std::move(model), .precision = precision, .sequences = sequences};
      shape.optimizer.rule = rule;
      shape.optimizer.muon.precision = precision;
      shape.context = shape.model.context_length;
      all.push_back({name, shape});
    };
    add("gpt2, activations", dimensions(kGpt2, 4, 128, 4, 2048, 256), 8, recipe::Rule::kAdamW);
    add("gpt2, weights", dimensions(kGpt2, 4, 384, 6, 4096, 64), 1, recipe::Rule::kAdamW);
    add("gpt2, vocabulary", dimensions(kGpt2, 2, 192, 3, 32768, 128), 4, recipe::Rule::kMuon);
    add("llama, activations", dimensions(kLlama, 4, 128, 4, 2048, 256), 8, recipe::Rule::kMuon);
    add("llama, weights", dimensions(kLlama, 4, 384, 6, 4096, 64), 1, recipe::Rule::kAdamW);
    recipe::ModelConfig grouped = dimensions(kLlama, 3, 256, 8, 8192, 256);
    grouped.key_value_heads = 2;
    add("llama, grouped", grouped, 4, recipe::Rule::kAdamW);
  }
  return all;
}

// Each way to hold less, alone and together, where activations, weights or the head are the most.
std::vector<Case> lean_cases() {
  using enum recipe::Architecture;
  using tensor::Precision;
  recipe::ModelConfig normed = dimensions(kLlama, 4, 192, 6, 4096, 256);
  normed.qk_norm = true;
  const std::vector<std::pair<const char*, recipe::ModelConfig>> models = {
      {"llama, activations", dimensions(kLlama, 6, 128, 4, 2048, 512)},
      {"llama, weights", dimensions(kLlama, 4, 384, 6, 4096, 64)},
      {"llama, vocabulary", dimensions(kLlama, 2, 192, 3, 32768, 256)},
      {"llama, normed q and k", normed},
      {"gpt2, activations", dimensions(kGpt2, 6, 128, 4, 2048, 512)},
      {"gpt2, vocabulary", dimensions(kGpt2, 2, 192, 3, 32768, 256)}};
  std::vector<Case> all;
  for (const auto& [name, model] : models) {
    for (const auto recompute :
         {recipe::Recompute::kNone, recipe::Recompute::kSelective, recipe::Recompute::kFull}) {
      for (const auto weights : {Precision::kFloat32, Precision::kBFloat16}) {
        for (const bool accumulates : {false, true}) {
          if (weights == Precision::kFloat32 && accumulates) continue;
          recipe::StepShape shape{.model = model,
                                  .precision = Precision::kBFloat16,
                                  .weights = weights,
                                  .recompute = recompute,
                                  .sequences = 2,
                                  .context = model.context_length,
                                  .accumulates = accumulates};
          shape.optimizer.rule = recipe::Rule::kMuon;
          shape.optimizer.muon.precision = Precision::kBFloat16;
          shape.optimizer.state_precision = weights;
          all.push_back({name, shape});
        }
      }
    }
  }
  return all;
}

// Adapters over all layers and over some, where the core, activations or the head are the most.
std::vector<Case> adapter_cases() {
  using enum recipe::Architecture;
  recipe::ModelConfig normed = dimensions(kLlama, 4, 192, 6, 4096, 256);
  normed.qk_norm = true;
  normed.key_value_heads = 2;
  const std::vector<std::string> of_attention = {"q_proj", "v_proj"}, of_output = {"down_proj"};
  const std::vector<std::pair<const char*, recipe::ModelConfig>> models = {
      {"llama, activations", dimensions(kLlama, 6, 128, 4, 2048, 512)},
      {"llama, weights", dimensions(kLlama, 4, 384, 6, 4096, 64)},
      {"llama, vocabulary", dimensions(kLlama, 2, 192, 3, 32768, 256)},
      {"llama, normed and grouped", normed},
      {"gpt2, activations", dimensions(kGpt2, 6, 128, 4, 2048, 512)},
      {"gpt2, vocabulary", dimensions(kGpt2, 2, 192, 3, 32768, 256)}};
  std::vector<Case> all;
  const auto add = [&](const char* name, const recipe::ModelConfig& model,
                       tensor::Precision precision, recipe::Recompute recompute,
                       std::vector<std::string> targets) {
    recipe::StepShape shape{
        .model = model,
        .precision = precision,
        .recompute = recompute,
        .sequences = 2,
        .context = model.context_length,
        .accumulates = recompute == recipe::Recompute::kSelective,
        .adapter = recipe::AdapterShape{.rank = 8, .targets = std::move(targets)}};
    all.push_back({name, shape});
  };
  for (const auto precision : {tensor::Precision::kFloat32, tensor::Precision::kBFloat16}) {
    for (const auto& [name, model] : models) {
      for (const auto recompute :
           {recipe::Recompute::kNone, recipe::Recompute::kSelective, recipe::Recompute::kFull})
        add(name, model, precision, recompute, {});
      if (model.architecture != kLlama) continue;
      add(name, model, precision, recipe::Recompute::kNone, of_attention);
      add(name, model, precision, recipe::Recompute::kNone, of_output);
    }
  }
  return all;
}

// The most that two updates of a fresh model hold.
double measured_bytes(const recipe::StepShape& shape) {
  CountingAllocator& allocator = counting_allocator();
  const std::int64_t before = allocator.start();
  const at::Tensor tokens =
      at::randint(0, shape.model.vocabulary_size, {shape.sequences, shape.context}, at::kLong);
  model::Decoder decoder = model::Decoder::random(shape.model, 1, shape.weights);
  if (shape.adapter)
    decoder.add_lora(
        {.rank = shape.adapter->rank, .targets = shape.adapter->targets, .base_model_name = ""}, 1);
  decoder.set_training_precision(shape.precision);
  decoder.set_recompute(shape.recompute);
  std::vector<tensor::NamedTensor> parameters = decoder.trainable_parameters();
  const auto optimizer = optim::make_optimizer(shape.optimizer, parameters);
  for (int update = 0; update < 2; ++update) {
    for (auto& parameter : parameters) parameter.value.mutable_grad() = at::Tensor();
    decoder.weights_changed();
    for (int pass = 0; pass < (shape.accumulates ? 2 : 1); ++pass)
      decoder.loss(tokens, tokens.clone()).backward();
    optimizer->step(1.0);
  }
  return static_cast<double>(allocator.most() - before);
}

std::string described(const Case& one, const recipe::MemoryPlan& plan, double measured) {
  const recipe::StepShape& shape = one.shape;
  std::string text =
      std::string(one.name) + " in " + std::string(precision_name(shape.precision)) + ", weights " +
      std::string(precision_name(shape.weights)) + ", recompute " +
      std::string(recompute_name(shape.recompute)) + (shape.accumulates ? ", two passes" : "") +
      (shape.adapter
           ? ", adapters over " + (shape.adapter->targets.empty() ? std::string("all")
                                                                  : shape.adapter->targets.front())
           : "") +
      ": planned " + std::to_string(plan.bytes() / 1e6) + " MB at " + plan.moment + ", measured " +
      std::to_string(measured / 1e6) + " MB";
  for (const auto& item : plan.items)
    text += "\n  " + item.name + " " + std::to_string(item.bytes / 1e6);
  return text;
}

// A CPU without bfloat16 products widens what it multiplies, which takes memory. A run file that
// asks for them is refused there, so that nothing is promised of it.
bool is_planned_here(const Case& one) {
  return one.shape.precision == tensor::Precision::kFloat32 || machine::cpu_multiplies_bfloat16();
}

void expect_planned(const std::vector<Case>& all) {
  for (const Case& one : all) {
    if (!is_planned_here(one)) continue;
    const double measured = measured_bytes(one.shape);
    const recipe::MemoryPlan plan = recipe::plan_memory(one.shape);
    EXPECT_NEAR(plan.bytes() / measured, 1.0, 0.05) << described(one, plan, measured);
  }
}

recipe::RunConfig config_of(const recipe::StepShape& shape) {
  recipe::RunConfig config;
  config.model.dimensions = shape.model;
  config.optimizer = shape.optimizer;
  config.precision = shape.precision;
  config.memory = {.weights = shape.weights, .recompute = shape.recompute};
  config.batch = {.sequences = shape.sequences,
                  .context = shape.context,
                  .accumulate = shape.accumulates ? 2 : 1};
  config.parallel.processes = shape.processes;
  return config;
}

// The most that each of several ranks holds, from its model to the step after a checkpoint.
std::vector<double> measured_by_rank(const recipe::StepShape& shape) {
  const TestFolder folder("ranks");
  const recipe::RunConfig config = config_of(shape);
  const data::TokenShard shard =
      toy_shard(folder.path(), static_cast<std::int32_t>(shape.model.vocabulary_size));
  std::vector<double> measured(static_cast<std::size_t>(shape.processes));
  on_all_ranks(shape.processes, [&](swarm::Group& group) {
    const auto rank = static_cast<std::size_t>(group.rank());
    counted_for = rank + 1;
    const std::int64_t before = counting_allocator().start();
    detail::Snapshot snapshot;
    detail::Trainer trainer(config, model::Decoder::random(shape.model, 1, shape.weights),
                            toy_stream(shard, config), &group);
    for (int step = 0; step < 3; ++step) {
      trainer.release_whole();
      trainer.step(detail::schedule_of(config, 10), step);
      if (step == 0) trainer.gather_state();
      if (step == 0 && rank == 0 && shape.copies_state) {
        detail::copy_state({}, trainer.trainable(), trainer.whole_optimizer(), snapshot);
      }
    }
    measured[rank] = static_cast<double>(counting_allocator().most() - before);
  });
  return measured;
}

std::vector<Case> shared_cases() {
  using enum recipe::Architecture;
  using tensor::Precision;
  std::vector<Case> all;
  const auto add = [&](const char* name, recipe::ModelConfig model, Precision weights,
                       int processes, recipe::Rule rule) {
    recipe::StepShape shape{.model = std::move(model),
                            .precision = weights,
                            .weights = weights,
                            .copies_state = all.size() % 2 == 0,
                            .processes = processes,
                            .sequences = 5,
                            .accumulates = all.size() % 3 == 0};
    shape.optimizer.rule = rule;
    shape.optimizer.muon.precision = shape.optimizer.state_precision = weights;
    shape.context = shape.model.context_length;
    if (weights == Precision::kBFloat16) shape.recompute = recipe::Recompute::kFull;
    all.push_back({name, shape});
  };
  for (const auto weights : {Precision::kFloat32, Precision::kBFloat16}) {
    for (const int processes : {2, 3}) {
      add("gpt2, weights", dimensions(kGpt2, 4, 256, 4, 4096, 32), weights, processes,
          recipe::Rule::kAdamW);
      add("gpt2, vocabulary", dimensions(kGpt2, 2, 192, 3, 16384, 128), weights, processes,
          recipe::Rule::kMuon);
      add("llama, activations", dimensions(kLlama, 4, 128, 4, 2048, 256), weights, processes,
          recipe::Rule::kMuon);
      add("llama, weights", dimensions(kLlama, 4, 384, 6, 2048, 32), weights, processes,
          recipe::Rule::kMuon);
      add("llama, weights", dimensions(kLlama, 4, 384, 6, 4096, 32), weights, processes,
          recipe::Rule::kAdamW);
    }
  }
  return all;
}

TEST(MemoryPlan, IsWithinFivePercentInEachOfSeveralProcesses) {
  for (const Case& one : shared_cases()) {
    if (!is_planned_here(one)) continue;
    const std::vector<double> measured = measured_by_rank(one.shape);
    for (int rank = 0; rank < one.shape.processes; ++rank) {
      const recipe::MemoryPlan plan = recipe::plan_memory(one.shape, rank);
      const double found = measured[static_cast<std::size_t>(rank)];
      EXPECT_NEAR(plan.bytes() / found, 1.0, 0.05)
          << "rank " << rank << " of " << one.shape.processes
          << (one.shape.copies_state ? ", copied: " : ": ") << described(one, plan, found);
    }
  }
}

TEST(MemoryPlan, IsWithinFivePercentOfWhatStepsAllocate) { expect_planned(cases()); }

TEST(MemoryPlan, IsWithinFivePercentWhereLessIsHeld) { expect_planned(lean_cases()); }

TEST(MemoryPlan, IsWithinFivePercentWhereAdaptersTrain) { expect_planned(adapter_cases()); }

TEST(MemoryPlan, RefusesAdaptersThatDoNotFitTheModel) {
  const auto refused = [](recipe::AdapterShape adapter) {
    return capture([&] {
             recipe::plan_memory(
                 {.model = dimensions(recipe::Architecture::kLlama, 2, 64, 2, 512, 32),
                  .context = 32,
                  .adapter = std::move(adapter)});
           })
        .message();
  };
  EXPECT_NE(refused({.rank = 65}).find("1 to 64 for model.layers.0.self_attn.q_proj, found 65"),
            std::string::npos);
  EXPECT_NE(refused({.targets = {"q_proj", "c_attn"}}).find("\"c_attn\" is no linear layer"),
            std::string::npos);
  EXPECT_EQ(refused({.rank = 64}), "");
}

// Closed form: a model of one matrix size, AdamW in float32, 16 bytes a parameter and no less.
TEST(MemoryPlan, HoldsSixteenBytesAParameterWhenActivationsAreFew) {
  recipe::StepShape shape{.model =
                              dimensions(recipe::Architecture::kLlama, 48, 4096, 32, 32000, 4096)};
  const recipe::MemoryPlan plan = recipe::plan_memory(shape);
  const auto parameters = static_cast<double>(shape.model.num_parameters());
  EXPECT_EQ(plan.moment, "update");
  EXPECT_NEAR(plan.bytes() / parameters, 16.0, 0.01);
  EXPECT_DOUBLE_EQ(plan.bytes(recipe::MemoryKind::kStates), 8 * parameters);
}

// Weights, remainders, gradients and momenta of hidden matrices in 16 bits; tables have AdamW's
// second moments in float32 beside.
TEST(MemoryPlan, HoldsEightBytesAParameterInSixteenBits) {
  using tensor::Precision;
  recipe::StepShape shape{
      .model = dimensions(recipe::Architecture::kLlama, 48, 4096, 32, 32000, 4096),
      .precision = Precision::kBFloat16,
      .weights = Precision::kBFloat16,
      .recompute = recipe::Recompute::kFull};
  shape.optimizer.rule = recipe::Rule::kMuon;
  shape.optimizer.state_precision = Precision::kBFloat16;
  shape.optimizer.muon.precision = Precision::kBFloat16;
  const double tables = 2.0 * 32000 * 4096;
  const auto parameters = static_cast<double>(shape.model.num_parameters());
  const recipe::MemoryPlan plan = recipe::plan_memory(shape);
  EXPECT_NEAR((plan.bytes() - 4 * tables) / parameters, 8.0, 0.07);
  recipe::StepShape copied = shape;
  copied.copies_state = true;
  EXPECT_NEAR(recipe::plan_memory(copied).bytes() - plan.bytes(), 6 * parameters + 4 * tables,
              0.001 * parameters);
  recipe::StepShape elsewhere = shape;
  elsewhere.streams_states = true;
  EXPECT_NEAR(recipe::plan_memory(elsewhere).bytes() / parameters, 4.0, 0.2);
}

// The asynchronous checkpoint's copy, counted as it is made.
TEST(MemoryPlan, CountsTheCopyOfACheckpoint) {
  CountingAllocator& allocator = counting_allocator();
  for (const auto weights : {tensor::Precision::kFloat32, tensor::Precision::kBFloat16}) {
    recipe::StepShape shape{.model = dimensions(recipe::Architecture::kLlama, 3, 192, 3, 4096, 64),
                            .precision = tensor::Precision::kBFloat16,
                            .weights = weights,
                            .context = 64};
    shape.optimizer.rule = recipe::Rule::kMuon;
    shape.optimizer.state_precision = weights;
    const double without = recipe::plan_memory(shape).bytes();
    shape.copies_state = true;
    const model::Decoder decoder = model::Decoder::random(shape.model, 1, weights);
    const auto parameters = decoder.trainable_parameters();
    const auto optimizer = optim::make_optimizer(shape.optimizer, parameters);
    const std::int64_t before = allocator.start();
    detail::Snapshot snapshot;
    detail::copy_state({}, parameters, *optimizer, snapshot);
    EXPECT_NEAR((recipe::plan_memory(shape).bytes() - without) /
                    static_cast<double>(allocator.most() - before),
                1.0, 0.01)
        << precision_name(weights);
  }
}

TEST(MemoryPlan, GrowsWithEverySetting) {
  recipe::StepShape shape{.model = dimensions(recipe::Architecture::kGpt2, 4, 128, 4, 2048, 256),
                          .sequences = 2,
                          .context = 256};
  const double base = recipe::plan_memory(shape).bytes();
  recipe::StepShape more = shape;
  more.sequences = 4;
  EXPECT_GT(recipe::plan_memory(more).bytes(), base);
  more = shape;
  more.accumulates = true;
  EXPECT_GT(recipe::plan_memory(more).bytes(), base);
  more = shape;
  more.model.layers = 5;
  EXPECT_GT(recipe::plan_memory(more).bytes(), base);
}

// Between devices float32 gradients need no copy, and bfloat16 ones pass in parts.
TEST(MemoryPlan, HoldsOnADeviceOnlyWhatIsAddedUpInAnotherType) {
  using tensor::Precision;
  const auto on_their_way = [](Precision weights, bool is_on_gpu) {
    recipe::StepShape shape{
        .model = dimensions(recipe::Architecture::kLlama, 1, 512, 4, 32'000, 64),
        .weights = weights,
        .is_on_gpu = is_on_gpu,
        .processes = 2,
        .sequences = 2,
        .context = 16};
    for (const recipe::MemoryItem& item : recipe::plan_memory(shape).items) {
      if (item.name == "gradients on their way") return item.bytes;
    }
    return -1.0;
  };
  EXPECT_EQ(on_their_way(Precision::kFloat32, false), 32'000.0 * 512 * 4);
  EXPECT_EQ(on_their_way(Precision::kFloat32, true), 0);
  EXPECT_EQ(on_their_way(Precision::kBFloat16, true), 4.0 * tensor::kPassingElements);
}

TEST(MemoryPlan, RefusesAModelThatCannotBe) {
  recipe::StepShape shape{.model = dimensions(recipe::Architecture::kGpt2, 0, 128, 4, 2048, 256)};
  EXPECT_ANY_THROW(recipe::plan_memory(shape));
  recipe::StepShape shared{.model = dimensions(recipe::Architecture::kGpt2, 1, 128, 4, 2048, 256),
                           .processes = 2};
  EXPECT_ANY_THROW(recipe::plan_memory(shared));  // One sequence.
}

}  // namespace
}  // namespace panal::train
