// Data parallel training whose ranks exchange from device to device, on simulated devices with a
// simulated NCCL: the same sums and weights as through the host's memory, and no rank waits for
// ever.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <atomic>

#include "tensor/tensor_file.h"
#include "tests/device/simulated_communicator.h"
#include "tests/train/toy_ranks.h"
#include "tests/train/toy_run.h"
#include "train/detail/data_parallel.h"

namespace panal::train {
namespace {

using namespace std::chrono_literals;
using detail::DataParallel;
using kernels::cuda::CommunicatorFault;
using kernels::cuda::num_exchanges;
using tensor::NamedTensor;
using testing::HasSubstr;

std::string device_yaml(int processes, const std::string& exchange = "auto",
                        const std::string& more = "precision: fp32\n", int steps = 4,
                        const std::string& optimizer = "") {
  return "kind: pretrain\nname: toy\ndevice: auto\n"
         "model: {width: 16, layers: 1, heads: 2, feed_forward_width: 32, context_length: 16}\n"
         "tokenizer: {vocabulary_size: 300}\n"
         "data: {path: text.txt, validation_fraction: 0.2, passage_bytes: 256}\n"
         "optimizer: {rule: muon, learning_rate: 0.003, muon_learning_rate: 0.02" +
         optimizer +
         "}\nbatch: {sequences: 4, context: 16}\n"
         "checkpoint: {every_steps: 2, every_seconds: 0}\n"
         "evaluation: {sample_tokens: 0, max_tokens: 32}\nlimits: {threads: 1, steps: " +
         std::to_string(steps) + "}\nparallel: {processes: " + std::to_string(processes) +
         ", exchange: " + exchange + "}\n" + more;
}

void expect_success(const std::vector<Status>& outcomes) {
  for (const Status& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome.message();
}

std::string model_of(const recipe::RunConfig& config) {
  return read_text(config.run_directory / "model/model.safetensors");
}

// Of uneven sizes: one alone in its bucket, one that travels in two parts as bfloat16, small ones.
std::vector<NamedTensor> parameters_of(at::ScalarType type) {
  std::vector<NamedTensor> parameters;
  const std::vector<std::vector<std::int64_t>> shapes = {
      {3}, {1'100'000, 1}, {70, 9}, {type == at::kFloat ? 10 : 8'400'000, 1}, {513}, {33, 31}};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const auto own = shapes[i].size() == 1 ? at::kFloat : type;
    at::Tensor value = at::full(shapes[i], 0.5 + static_cast<double>(i), own);
    parameters.push_back({"p" + std::to_string(i) + ".weight", value.set_requires_grad(true)});
  }
  return parameters;
}

struct Exchanged {
  std::vector<at::Tensor> gradients{};             // By parameter, at their owners.
  std::vector<std::vector<at::Tensor>> weights{};  // By rank, after owners changed theirs.
};

// Rank r's gradient of parameter i is gradient(r, i) everywhere, or missing where that is 0.
Exchanged exchange(int ranks, at::ScalarType type, bool through_host,
                   const std::function<double(int, std::size_t)>& gradient) {
  Exchanged found;
  found.gradients.resize(6);
  found.weights.resize(static_cast<std::size_t>(ranks));
  on_all_ranks(ranks, [&](swarm::Group& group) {
    auto parameters = parameters_of(type);
    DataParallel parallel(group, parameters, recipe::Rule::kAdamW, through_host);
    EXPECT_EQ(parallel.is_between_devices(), !through_host);
    for (int pass = 0; pass < 2; ++pass) {  // The second one finds nothing of the first.
      for (auto& parameter : parameters) parameter.value.mutable_grad() = at::Tensor();
      parallel.begin_exchange();
      at::Tensor loss = at::zeros({});
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const double of_one = gradient(group.rank(), i);
        if (of_one != 0) loss = loss + (parameters[i].value * of_one).sum().to(at::kFloat);
      }
      if (loss.requires_grad()) loss.backward();
      parallel.finish_exchange();
    }
    const auto is_owned = parallel.is_owned();
    const at::NoGradGuard no_gradients;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_EQ(parameters[i].value.grad().defined(), is_owned[i]) << i;
      if (!is_owned[i]) continue;
      found.gradients[i] = parameters[i].value.grad().clone();
      parameters[i].value.sub_(found.gradients[i], 0.25);
    }
    parallel.share_weights();
    for (const auto& parameter : parameters) {
      found.weights[static_cast<std::size_t>(group.rank())].push_back(
          parameter.value.detach().clone());
    }
  });
  return found;
}

TEST(DeviceExchange, BringsTheSumsToTheirOwnersAndTheWeightsBack) {
  // Whole numbers: exact in any order.
  const auto gradient = [](int rank, std::size_t i) {
    return static_cast<double>((rank + 1) * (static_cast<int>(i) + 2));
  };
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const std::int64_t before = num_exchanges();
    const Exchanged devices = exchange(3, type, /*through_host=*/false, gradient);
    EXPECT_GT(num_exchanges(), before + 5);
    const std::int64_t after = num_exchanges();
    const Exchanged host = exchange(3, type, /*through_host=*/true, gradient);
    EXPECT_EQ(num_exchanges(), after);
    for (std::size_t i = 0; i < devices.gradients.size(); ++i) {
      const double sum = 6.0 * (static_cast<double>(i) + 2);
      EXPECT_TRUE(devices.gradients[i].eq(sum).all().item<bool>()) << i;
      EXPECT_TRUE(devices.gradients[i].equal(host.gradients[i])) << i;
      for (const auto& weights : devices.weights) {
        EXPECT_TRUE(weights[i].equal(host.weights[0][i])) << i;
      }
    }
  }
}

TEST(DeviceExchange, CountsMissingGradientsAsZero) {
  // Nobody has 1, one rank lacks 3 and 5, rank 2 had nothing to learn from.
  const auto gradient = [](int rank, std::size_t i) {
    if (rank == 2 || i == 1 || (rank == 0 && (i == 3 || i == 5))) return 0.0;
    return rank + 1.0;
  };
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const Exchanged found = exchange(3, type, /*through_host=*/false, gradient);
    const double sums[] = {3, 0, 3, 2, 3, 2};
    for (std::size_t i = 0; i < 6; ++i) {
      EXPECT_TRUE(found.gradients[i].eq(sums[i]).all().item<bool>()) << i;
    }
  }
}

// In bfloat16 256 + 1 is 256 again; the sum of all is 258, which bfloat16 has.
TEST(DeviceExchange, RoundsSumsOfBfloat16Once) {
  const auto gradient = [](int rank, std::size_t) { return rank == 0 ? 256.0 : 1.0; };
  const Exchanged found = exchange(3, at::kBFloat16, /*through_host=*/false, gradient);
  for (const at::Tensor& sum : found.gradients) EXPECT_TRUE(sum.eq(258).all().item<bool>());
}

// Two terms have one sum: every bit is that of the way through the host.
TEST(DeviceExchange, TrainsAsThroughTheHostToTheBitAndRepeats) {
  const std::vector<std::pair<std::string, std::string>> settings = {
      {"precision: fp32\n", ", qk_clip: {threshold: 2.0}"},
      {"precision: bf16\nmemory: {weights: bf16, recompute: full, states: host}\n", ""}};
  for (const auto& [more, optimizer] : settings) {
    TestFolder folder("device_exchange");
    std::vector<std::string> models;
    for (const char* exchange : {"auto", "auto", "host"}) {
      const auto config = toy_config(folder.path(), device_yaml(2, exchange, more, 3, optimizer),
                                     "run" + std::to_string(models.size()));
      RecordingEvents events;
      const std::int64_t before = num_exchanges();
      expect_success(run_on_ranks(config, events));
      EXPECT_EQ(num_exchanges() > before, std::string(exchange) == "auto");
      models.push_back(model_of(config));
    }
    EXPECT_FALSE(models[0].empty());
    EXPECT_EQ(models[0], models[1]) << more;
    EXPECT_EQ(models[0], models[2]) << more;
  }
}

TEST(DeviceExchange, TrainsAdaptersAsThroughTheHost) {
  TestFolder folder("device_exchange_lora");
  const auto core =
      toy_config(folder.path(), device_yaml(2, "auto", "precision: fp32\n", 1), "core");
  RecordingEvents events;
  expect_success(run_on_ranks(core, events));
  std::vector<std::string> adapters;
  for (const char* exchange : {"auto", "host"}) {
    const std::string yaml =
        "kind: lora\nname: toy\ndevice: auto\nprecision: fp32\n"
        "model: {core: core/model}\nlora: {rank: 4, alpha: 8}\n"
        "data: {path: text.txt, validation_fraction: 0.2, passage_bytes: 256}\n"
        "optimizer: {rule: adamw, learning_rate: 0.003}\nbatch: {sequences: 4, context: 16}\n"
        "evaluation: {max_tokens: 32}\nlimits: {steps: 2, threads: 1}\n"
        "parallel: {processes: 2, exchange: " +
        std::string(exchange) + "}\n";
    const auto config = toy_config(folder.path(), yaml, std::string("lora_") + exchange);
    RecordingEvents own;
    const std::int64_t before = num_exchanges();
    expect_success(run_on_ranks(config, own));
    EXPECT_EQ(num_exchanges() > before, std::string(exchange) == "auto");
    adapters.push_back(read_text(config.run_directory / "model/adapter_model.safetensors"));
  }
  EXPECT_FALSE(adapters[0].empty());
  EXPECT_EQ(adapters[0], adapters[1]);
}

// Three ranks' states, gathered and handed to two: the losses of one run up to the order of sums.
TEST(DeviceExchange, GoesOnWithFewerRanks) {
  TestFolder folder("device_exchange_fewer");
  RecordingEvents whole_events, stopped, resumed;
  const auto whole = toy_config(folder.path(), device_yaml(3), "whole");
  expect_success(run_on_ranks(whole, whole_events));
  stopped.stop_after_step = 2;
  expect_success(run_on_ranks(toy_config(folder.path(), device_yaml(3), "parts"), stopped));
  expect_success(run_on_ranks(toy_config(folder.path(), device_yaml(2), "parts"), resumed));
  ASSERT_EQ(whole_events.steps.size(), 4u);
  ASSERT_EQ(resumed.steps.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(resumed.steps[i].step, whole_events.steps[i + 2].step);
    EXPECT_NEAR(resumed.steps[i].loss.value(), whole_events.steps[i + 2].loss.value(), 1e-4);
  }
}

TEST(DeviceExchange, GoesThroughTheHostWhereDevicesCannot) {
  TestFolder folder("device_exchange_without");
  const kernels::cuda::WithoutCommunicator without;
  const std::int64_t before = num_exchanges();
  RecordingEvents events;
  expect_success(run_on_ranks(toy_config(folder.path(), device_yaml(2)), events));
  EXPECT_EQ(num_exchanges(), before);
  EXPECT_EQ(events.steps.size(), 4u);
}

// How each rank's work ended; who is done leaves.
std::vector<Status> outcomes_of(int ranks, std::chrono::milliseconds deadline,
                                const std::function<void(swarm::Group&)>& work) {
  auto groups = swarm::simulated_groups(ranks, deadline).value();
  std::vector<Status> outcomes(groups.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    threads.emplace_back([&, i, group = std::move(groups[i])]() mutable {
      swarm::Group own = std::move(group);
      outcomes[i] = capture([&] { work(own); });
    });
  }
  for (auto& thread : threads) thread.join();
  return outcomes;
}

// All that ranks exchange in a step, once.
void take_part(swarm::Group& group) {
  auto parameters = parameters_of(at::kFloat);
  DataParallel parallel(group, parameters, recipe::Rule::kAdamW);
  parallel.broadcast_weights();
  parallel.begin_exchange();
  for (auto& parameter : parameters) (parameter.value * 2.0).sum().backward();
  parallel.finish_exchange();
  parallel.share_weights();
  EXPECT_EQ(parallel.sum(1), group.size());
}

// The rank that failed says why, all others say who is lost: while ranks join, while they exchange
// gradients or weights, and whether NCCL has noticed it or not.
TEST(DeviceExchange, NamesARankThatFails) {
  const std::int64_t before = num_exchanges();
  for (const Status& outcome : outcomes_of(3, 60s, take_part)) {
    EXPECT_TRUE(outcome.ok()) << outcome.message();
  }
  const auto calls = static_cast<std::uint64_t>(num_exchanges() - before);
  ASSERT_GE(calls, 6u);
  for (const auto kind :
       {CommunicatorFault::Kind::kFails, CommunicatorFault::Kind::kFailsNoticed}) {
    for (std::uint64_t call = 0; call <= calls; ++call) {
      const CommunicatorFault fault(kind, 1, call);
      const auto outcomes = outcomes_of(3, 60s, take_part);
      EXPECT_THAT(outcomes[1].message(), HasSubstr("a simulated device failed")) << call;
      for (const std::size_t other : {0u, 2u}) {
        EXPECT_EQ(outcomes[other].code(), Code::kUnavailable) << call;
        EXPECT_THAT(outcomes[other].message(), HasSubstr("rank 1 of 3 is lost")) << call;
      }
    }
  }
}

TEST(DeviceExchange, EndsARunWithTheNameOfALostRank) {
  TestFolder folder("device_exchange_fails");
  const CommunicatorFault fault(CommunicatorFault::Kind::kFails, 1, 9);
  RecordingEvents events;
  const auto outcomes = run_on_ranks(toy_config(folder.path(), device_yaml(3)), events);
  EXPECT_THAT(outcomes[1].message(), HasSubstr("a simulated device failed"));
  EXPECT_THAT(outcomes[0].message(), HasSubstr("rank 1 of 3 is lost"));
  EXPECT_THAT(outcomes[2].message(), HasSubstr("rank 1 of 3 is lost"));
}

// All hosts answer, so no rank is to blame.
TEST(DeviceExchange, EndsWhenADeviceHangs) {
  const CommunicatorFault fault(CommunicatorFault::Kind::kHangs, 1, 3);
  const auto outcomes = outcomes_of(3, 500ms, take_part);
  for (const Status& outcome : outcomes) EXPECT_FALSE(outcome.ok());
  EXPECT_TRUE(std::ranges::any_of(outcomes, [](const Status& outcome) {
    return outcome.message().find("though all answer") != std::string::npos;
  }));
}

TEST(DeviceExchange, NamesARankThatIsSilent) {
  std::atomic<int> ended = 0;
  const auto outcomes = outcomes_of(3, 300ms, [&](swarm::Group& group) {
    auto parameters = parameters_of(at::kFloat);
    DataParallel parallel(group, parameters, recipe::Rule::kAdamW);
    if (group.rank() == 2) {
      while (ended < 2) std::this_thread::yield();
      return;
    }
    parallel.begin_exchange();
    (parameters[0].value * 2.0).sum().backward();
    const Status found = capture([&] { parallel.finish_exchange(); });
    ++ended;
    ok_or_throw(found);
  });
  for (const std::size_t other : {0u, 1u}) {
    EXPECT_EQ(outcomes[other].code(), Code::kUnavailable);
    EXPECT_THAT(outcomes[other].message(), HasSubstr("rank 2 of 3 is lost"));
  }
}

// Also while its exchange waits for a rank that is not there yet.
TEST(DeviceExchange, LeavesAtOnceWhenThePassThrows) {
  std::atomic<bool> has_left = false;
  const auto outcomes = outcomes_of(2, 60s, [&](swarm::Group& group) {
    const Status found = capture([&] {
      auto parameters = parameters_of(at::kFloat);
      DataParallel parallel(group, parameters, recipe::Rule::kAdamW);
      parallel.begin_exchange();
      if (group.rank() == 0) {
        for (auto& parameter : parameters) (parameter.value * 2.0).sum().backward();
        throw Error(Code::kResourceExhausted, "no memory is left");
      }
      while (!has_left) std::this_thread::yield();
      parallel.finish_exchange();
    });
    if (group.rank() == 0) has_left = true;
    ok_or_throw(found);
  });
  EXPECT_EQ(outcomes[0].code(), Code::kResourceExhausted);
  EXPECT_THAT(outcomes[1].message(), HasSubstr("rank 0 of 2 is lost"));
}

}  // namespace
}  // namespace panal::train
