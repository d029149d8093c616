// One call of run(): opens or resumes the directory, drives the trainer step by step, and decides
// when to evaluate, to save and to end. All its state that must survive is in Counters.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "energy/meter.h"
#include "train/detail/checkpoint_writer.h"
#include "train/detail/corpus.h"
#include "train/detail/disk_patience.h"
#include "train/detail/journal.h"
#include "train/detail/machine_log.h"
#include "train/detail/run_files.h"
#include "train/detail/trainer.h"
#include "train/run.h"

namespace panal::train::detail {

class Session {
 public:
  Session(const recipe::RunConfig& config, RunEvents& events, std::stop_token stop,
          RunEnvironment& environment);
  Result<TrainSummary> run();
  /// What ranks over 0 do instead: they take part in steps and in gathering checkpoints until rank
  /// 0 says that it is done.
  Result<TrainSummary> follow();

 private:
  // In the order of a run. Each leaves what the next one needs.
  Result<std::optional<TrainSummary>> earlier_result() const;
  Status open_data();
  Status open_tasks();
  Status open_trainer();
  Status restore();
  Status begin();
  // With several ranks: the data is there; all begin at the same point.
  Status meet();
  Status agree();
  // On all ranks, because all of them take the steps that are measured.
  Status make_plan();
  Result<bool> evaluate_what_is_left();  // False: stopped.
  Result<RunStatus> train();
  Result<TrainSummary> finish(RunStatus status);
  Result<TrainSummary> stopped_summary();

  /// What rank 0 has the others do next.
  enum class Order : std::uint8_t {
    kStep = 1,
    kGather,
    kAgree,
    kShowEvaluationPoint,
    kShowTrainingPoint,
    kTellPeak,
    kEnd
  };
  Status order(Order order);
  /// Rank 0's number becomes everybody's.
  Status adopt_number(std::int64_t& number);
  /// The most each rank has had resident, in their order. On all ranks.
  Result<std::vector<std::int64_t>> gathered_peaks() const;
  /// The same, asked for by rank 0; empty while the others do not wait for orders.
  Result<std::vector<std::int64_t>> ask_for_peaks();
  /// Does `work` while the decoder holds the weights the optimizer stands for. Not nested.
  Status at_evaluation_point(const std::function<Status()>& work);
  int num_ranks() const { return environment_.group == nullptr ? 1 : environment_.group->size(); }
  bool leads() const { return environment_.group == nullptr || environment_.group->rank() == 0; }
  std::int64_t steps_that_fit(double step_seconds) const;

  Result<model::Decoder> make_decoder() const;
  Status take_step();
  Status note_step(const StepResult& result, double step_seconds);
  Status evaluate_now();
  /// Loss and tasks with the weights the decoder holds now.
  Result<EvaluationPoint> scored_point() const;
  Status save();
  /// Takes note of a checkpoint that is written; with `waits`, of the one still in flight too.
  Status collect_checkpoint(bool waits);
  /// What a step says about the run: counts, estimates, and why it diverged, if it did.
  std::string judge_run(const StepResult& result, bool is_warm);
  Status roll_back(const std::string& why);
  std::int64_t newest_good_step() const;  // -1: none.
  bool is_good(const Counters& checkpoint) const;
  Status note_line(const Json& line);  // In metrics.jsonl.
  Status write_model(const std::filesystem::path& folder) const;
  Result<std::string> write_sample();
  Status write_small_file(std::string_view name, std::string_view text);
  Result<TrainSummary> write_summary(TrainSummary summary);
  TrainSummary summary_of(RunStatus status) const;

  CheckpointPolicy policy() const;
  bool evaluation_is_due() const;
  bool checkpoint_is_due() const;
  bool time_is_over() const;
  double elapsed() const;  // Seconds of this and earlier calls.
  double tokens_per_second() const;
  energy::EnergyReading energy_so_far() const;
  std::filesystem::path at(std::string_view name) const { return config_.run_directory / name; }

  const recipe::RunConfig& config_;
  RunEvents& events_;
  const std::stop_token stop_;
  RunEnvironment& environment_;
  const c10::Device device_;
  const Nanoseconds started_;
  const energy::EnergyWindow energy_;

  std::optional<Corpus> corpus_;
  std::vector<std::int32_t> validation_tokens_;
  std::vector<std::vector<data::ChoiceItem>> tasks_;  // Of config_.evaluation.tasks.
  std::unique_ptr<Trainer> trainer_;
  std::optional<Plan> plan_;
  std::optional<Journal> journal_;
  std::optional<MachineLog> machines_;
  DiskPatience patience_;
  Snapshot snapshot_;  // Of the checkpoint in flight: the writer's until its outcome is collected.
  CheckpointWriter writer_;  // After the snapshot: it is joined before the buffers go.
  Counters counters_;
  double earlier_seconds_ = 0;            // Of calls before this one.
  energy::EnergyReading earlier_energy_;  // Likewise; method "" when there were none.
  std::int64_t resumed_from_step_ = -1;
  std::int64_t saved_step_ = -1;  // -1: nothing saved yet.
  bool others_follow_ = false;    // They wait for orders.
  bool best_is_unsaved_ = false;  // The last evaluation was the best, and checkpoints keep it.
  Nanoseconds last_save_;
  OutlierEstimate outliers_;
  double step_seconds_ = 0;        // Recent mean.
  double evaluation_seconds_ = 0;  // Of the last one.
};

}  // namespace panal::train::detail
