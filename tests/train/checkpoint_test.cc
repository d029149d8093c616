// Checkpoints by themselves: every stored type comes back to the bit, a copy does not follow what
// is trained on, the writer's errors arrive, the policy keeps what it says, and a full disk is
// waited for.
#include "train/detail/checkpoint.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/faulty_file_system.h"
#include "tests/train/toy_run.h"
#include "train/detail/checkpoint_writer.h"
#include "train/detail/disk_patience.h"

namespace panal::train::detail {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// An optimizer that is only its state, of every type one may store.
class StateOnly final : public optim::Optimizer {
 public:
  explicit StateOnly(std::vector<tensor::NamedTensor> state) : state_(std::move(state)) {}
  void step(double, double) override { ++num_steps_; }
  bool show_evaluation_point() override { return false; }
  void show_training_point() override {}
  std::int64_t num_steps() const override { return num_steps_; }
  void set_num_steps(std::int64_t num_steps) override { num_steps_ = num_steps; }
  std::vector<tensor::NamedTensor> state() const override { return state_; }

 private:
  std::vector<tensor::NamedTensor> state_;
  std::int64_t num_steps_ = 5;
};

constexpr at::ScalarType kTypes[] = {at::kFloat, at::kBFloat16, at::kByte,
                                     at::kChar,  at::kShort,    at::kUInt16};

std::vector<tensor::NamedTensor> tensors_of_every_type(int first) {
  std::vector<tensor::NamedTensor> tensors;
  for (const at::ScalarType type : kTypes) {
    tensors.push_back({std::string("t.") + at::toString(type),
                       at::arange(first, first + 60, at::kInt).to(type).reshape({5, 12})});
  }
  return tensors;
}

Counters counters_at(std::int64_t step) {
  Counters counters;
  counters.step = step;
  counters.stream = Json::object();
  counters.recent_losses = {2.5, 2.25};
  counters.best_evaluation =
      work::EvaluationPoint{.step = 3, .tokens = 9, .loss = 2, .perplexity = 7.4};
  return counters;
}

TEST(Checkpoint, GivesBackEveryStoredTypeToTheBit) {
  TestFolder folder("types");
  const auto weights = tensors_of_every_type(0), moments = tensors_of_every_type(60);
  Snapshot snapshot;
  copy_state(counters_at(7), weights, StateOnly(moments), snapshot);
  const auto path = save_checkpoint(store::posix_file_system(), folder.path(), snapshot, true);
  ASSERT_TRUE(path.ok()) << path.status().message();
  const auto other_weights = tensors_of_every_type(3), other_moments = tensors_of_every_type(4);
  StateOnly optimizer(other_moments);
  optimizer.set_num_steps(0);
  const auto counters = load_checkpoint(*path, other_weights, optimizer);
  ASSERT_TRUE(counters.ok()) << counters.status().message();
  EXPECT_EQ(counters_to_json(*counters), counters_to_json(counters_at(7)));
  EXPECT_EQ(optimizer.num_steps(), 5);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_EQ(std::memcmp(weights[i].value.const_data_ptr(),
                          other_weights[i].value.const_data_ptr(), weights[i].value.nbytes()),
              0)
        << weights[i].name;
    EXPECT_EQ(std::memcmp(moments[i].value.const_data_ptr(),
                          other_moments[i].value.const_data_ptr(), moments[i].value.nbytes()),
              0)
        << moments[i].name;
  }
}

// Training goes on while the copy is written: the copy must not move, and its memory is used again.
TEST(Checkpoint, CopyStaysWhileTrainingGoesOn) {
  const auto weights = tensors_of_every_type(0);
  StateOnly optimizer(tensors_of_every_type(60));
  Snapshot snapshot;
  copy_state(counters_at(1), weights, optimizer, snapshot);
  const void* buffer = snapshot.weights[0].value.const_data_ptr();
  weights[0].value.fill_(-1.0F);
  EXPECT_EQ(snapshot.weights[0].value.const_data_ptr<float>()[1], 1.0F);
  copy_state(counters_at(2), weights, optimizer, snapshot);
  EXPECT_EQ(snapshot.weights[0].value.const_data_ptr(), buffer);
  EXPECT_EQ(snapshot.weights[0].value.const_data_ptr<float>()[1], -1.0F);
}

TEST(Checkpoint, PolicyKeepsNewestMilestonesAndTheBest) {
  TestFolder folder("policy");
  const auto weights = tensors_of_every_type(0);
  const StateOnly optimizer(tensors_of_every_type(60));
  CheckpointWriter writer(store::posix_file_system(), folder.path());
  const CheckpointPolicy policy{.keep = 2, .keep_every_steps = 4, .best_step = 3};
  Snapshot snapshot;
  for (std::int64_t step = 1; step <= 11; ++step) {
    copy_state(counters_at(step), weights, optimizer, snapshot);
    writer.start(snapshot, policy);
    ASSERT_TRUE(writer.is_busy());
    ASSERT_TRUE(writer.wait()->ok());
  }
  EXPECT_FALSE(writer.poll().has_value());
  std::vector<std::string> kept;
  for (const auto& path : list_checkpoints(folder.path())) kept.push_back(path.filename().string());
  EXPECT_THAT(kept, ElementsAre("step_00000011", "step_00000010", "step_00000008", "step_00000004",
                                "step_00000003"));
}

// Whichever step of the disk fails: the error arrives, the earlier checkpoint stays and loads.
TEST(Checkpoint, WriterTellsWhatFailedAndTheEarlierOneStays) {
  const auto weights = tensors_of_every_type(0);
  StateOnly optimizer(tensors_of_every_type(60));
  Snapshot snapshot;
  for (std::uint64_t step = 0;; ++step) {
    TestFolder folder("writer");
    copy_state(counters_at(1), weights, optimizer, snapshot);
    ASSERT_TRUE(save_checkpoint(store::posix_file_system(), folder.path(), snapshot, false).ok());
    store::FaultyFileSystem files({.kind = store::FaultKind::kFail, .at_step = step});
    CheckpointWriter writer(files, folder.path());
    snapshot.counters.step = 2;
    writer.start(snapshot, {.keep = 1});
    const auto outcome = writer.wait();
    if (!files.has_struck()) {
      EXPECT_GT(step, 10u);
      EXPECT_TRUE(outcome->ok());
      break;
    }
    if (outcome->ok()) continue;
    EXPECT_EQ(outcome->code(), Code::kResourceExhausted) << outcome->status().message();
    EXPECT_THAT(outcome->status().message(), HasSubstr("checkpoint of step 2 was not written"));
    EXPECT_EQ(load_checkpoint(folder.path() / "step_00000001", weights, optimizer)->step, 1);
  }
}

TEST(DiskPatience, WaitsLongerEachTimeAndGoesOnWhenThereIsRoom) {
  ManualClock clock;
  std::string told;
  DiskPatience patience(
      clock, [] { return false; },
      [&](std::string_view text) { told += std::string(text) + "\n"; });
  std::vector<double> tried_s;
  const Status status = patience.keep_trying([&] {
    tried_s.push_back(seconds(clock.steady_now()));
    return tried_s.size() < 9 ? Status(Code::kResourceExhausted, "no room for 12 bytes") : Status();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(tried_s, ElementsAre(0, 1, 3, 7, 15, 31, 63, 123, 183));
  EXPECT_THAT(told, HasSubstr("training pauses: no room for 12 bytes; trying again in 1 s"));
  EXPECT_THAT(told, HasSubstr("goes on"));
}

TEST(DiskPatience, EndsWithTheDisksErrorWhenTheRunIsStoppedAndAtOnceForOtherErrors) {
  ManualClock clock;
  DiskPatience patience(
      clock, [&] { return seconds(clock.steady_now()) >= 10; }, [](std::string_view) {});
  const Status full =
      patience.keep_trying([] { return Status(Code::kResourceExhausted, "no room"); });
  EXPECT_EQ(full.code(), Code::kResourceExhausted);
  EXPECT_THAT(full.message(), HasSubstr("no room"));
  EXPECT_LT(seconds(clock.steady_now()), 11);
  int calls = 0;
  EXPECT_EQ(patience.keep_trying([&] { return ++calls, Status(Code::kCorrupt, "torn"); }).code(),
            Code::kCorrupt);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace panal::train::detail
