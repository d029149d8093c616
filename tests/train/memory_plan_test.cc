// The plan against real steps: every tensor that a step makes goes through an allocator that
// counts.
#include "train/memory_plan.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "train/benchmark.h"

namespace panal::train {
namespace {

// Stands before torch's own allocator and remembers the most that was held at once. oneDNN asks it
// for raw memory, so what is held is found by its address.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* data = c10::alloc_cpu(bytes);
    if (data != nullptr) {
      const std::lock_guard lock(mutex_);
      sizes_[data] = static_cast<std::int64_t>(bytes);
      held_ += static_cast<std::int64_t>(bytes);
      most_ = std::max(most_, held_);
    }
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  /// Bytes held now, from where the most is counted anew.
  std::int64_t start() {
    const std::lock_guard lock(mutex_);
    return most_ = held_;
  }
  std::int64_t most() {
    const std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  static void give_back(void* data);
  std::mutex mutex_;
  std::map<void*, std::int64_t> sizes_;  // Guarded by mutex_, as the next two.
  std::int64_t held_ = 0, most_ = 0;
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
      allocator.held_ -= found->second;
      allocator.sizes_.erase(found);
    }
  }
  c10::free_cpu(data);
}

struct Case {
  const char* name;
  StepShape shape;
};

model::ModelConfig dimensions(model::Architecture architecture, std::int64_t layers,
                              std::int64_t width, std::int64_t heads, std::int64_t vocabulary,
                              std::int64_t context) {
  model::ModelConfig config;
  config.architecture = architecture;
  config.layers = layers;
  config.width = width;
  config.heads = config.key_value_heads = heads;
  config.head_width = width / heads;
  config.feed_forward_width = model::usual_feed_forward_width(architecture, width);
  config.vocabulary_size = vocabulary;
  config.context_length = context;
  config.tied_embeddings = architecture == model::Architecture::kGpt2;
  config.attention_bias = config.tied_embeddings;
  return config;
}

std::vector<Case> cases() {
  using enum model::Architecture;
  std::vector<Case> all;
  for (const auto precision : {tensor::Precision::kFloat32, tensor::Precision::kBFloat16}) {
    const auto add = [&](const char* name, model::ModelConfig model, std::int64_t sequences,
                         optim::Rule rule) {
      StepShape shape{.model = std::move(model), .precision = precision, .sequences = sequences};
      shape.optimizer.rule = rule;
      shape.optimizer.muon.precision = precision;
      shape.context = shape.model.context_length;
      all.push_back({name, shape});
    };
    add("gpt2, activations", dimensions(kGpt2, 4, 128, 4, 2048, 256), 8, optim::Rule::kAdamW);
    add("gpt2, weights", dimensions(kGpt2, 4, 384, 6, 4096, 64), 1, optim::Rule::kAdamW);
    add("gpt2, vocabulary", dimensions(kGpt2, 2, 192, 3, 32768, 128), 4, optim::Rule::kMuon);
    add("llama, activations", dimensions(kLlama, 4, 128, 4, 2048, 256), 8, optim::Rule::kMuon);
    add("llama, weights", dimensions(kLlama, 4, 384, 6, 4096, 64), 1, optim::Rule::kAdamW);
    model::ModelConfig grouped = dimensions(kLlama, 3, 256, 8, 8192, 256);
    grouped.key_value_heads = 2;
    add("llama, grouped", grouped, 4, optim::Rule::kAdamW);
  }
  return all;
}

TEST(MemoryPlan, IsWithinFivePercentOfWhatStepsAllocate) {
  CountingAllocator& allocator = counting_allocator();
  const SystemClock clock;
  for (const auto& [name, shape] : cases()) {
    const std::int64_t before = allocator.start();
    std::int64_t most = 0;
    const BenchmarkOptions options{.model = shape.model,
                                   .optimizer = shape.optimizer,
                                   .precision = shape.precision,
                                   .sequences = shape.sequences,
                                   .warmup = 0,
                                   .steps = 2};
    // What the benchmark measures after its steps is left out.
    const auto result = benchmark_training(
        options, clock, [&](std::int64_t, double) { most = allocator.most(); }, {});
    ASSERT_TRUE(result.ok()) << result.status().message();
    const auto measured = static_cast<double>(most - before);
    const MemoryPlan plan = plan_memory(shape);
    std::string items;
    for (const auto& item : plan.items)
      items += "\n  " + item.name + " " + std::to_string(item.bytes / 1e6);
    EXPECT_NEAR(plan.bytes() / measured, 1.0, 0.05)
        << name << (shape.precision == tensor::Precision::kFloat32 ? " fp32" : " bf16")
        << ": planned " << plan.bytes() / 1e6 << " MB at " << plan.moment << ", measured "
        << measured / 1e6 << " MB" << items;
  }
}

// Closed form: a model of one matrix size, AdamW in float32, 16 bytes a parameter and no less.
TEST(MemoryPlan, HoldsSixteenBytesAParameterWhenActivationsAreFew) {
  StepShape shape{.model = dimensions(model::Architecture::kLlama, 48, 4096, 32, 32000, 4096)};
  const MemoryPlan plan = plan_memory(shape);
  const auto parameters = static_cast<double>(shape.model.num_parameters());
  EXPECT_EQ(plan.moment, "update");
  EXPECT_NEAR(plan.bytes() / parameters, 16.0, 0.01);
  EXPECT_DOUBLE_EQ(plan.bytes(MemoryKind::kStates), 8 * parameters);
}

TEST(MemoryPlan, GrowsWithEverySetting) {
  StepShape shape{.model = dimensions(model::Architecture::kGpt2, 4, 128, 4, 2048, 256),
                  .sequences = 2,
                  .context = 256};
  const double base = plan_memory(shape).bytes();
  StepShape more = shape;
  more.sequences = 4;
  EXPECT_GT(plan_memory(more).bytes(), base);
  more = shape;
  more.accumulates = true;
  EXPECT_GT(plan_memory(more).bytes(), base);
  more = shape;
  more.model.layers = 5;
  EXPECT_GT(plan_memory(more).bytes(), base);
}

TEST(MemoryPlan, RefusesAModelThatCannotBe) {
  StepShape shape{.model = dimensions(model::Architecture::kGpt2, 0, 128, 4, 2048, 256)};
  EXPECT_ANY_THROW(plan_memory(shape));
}

}  // namespace
}  // namespace panal::train
