#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "store/file_system.h"

namespace panal::cli {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1u << 20;

std::string shown_energy(const work::EnergyReading& energy) {
  if (!energy.joules) return "energy unknown";
  return fmt::format("{:.0f} J ({})", *energy.joules, energy.method);
}

// With several processes of all of them, each at its own peak.
std::string shown_memory(const work::TrainingSummary& summary) {
  if (!summary.peak_resident_bytes) return "memory unknown";
  const auto gibibytes = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); };
  std::string text = fmt::format("{:.2f} GiB at most", gibibytes(*summary.peak_resident_bytes));
  if (summary.largest_process_bytes) {
    text +=
        fmt::format(" ({:.2f} in the largest process)", gibibytes(*summary.largest_process_bytes));
  }
  if (summary.peak_device_bytes) {
    text +=
        fmt::format(", {:.2f} GiB of tensors on the GPU", gibibytes(*summary.peak_device_bytes));
  }
  return text;
}

void print_summary(const work::TrainingSummary& summary, Terminal& terminal) {
  const std::string speed = summary.tokens_per_second
                                ? fmt::format("{:.0f}", *summary.tokens_per_second)
                                : std::string("unknown");
  terminal.print(fmt::format("{} after {} steps, {} tokens, {} tokens/s, {}, {}",
                             work::run_status_name(summary.status), summary.steps,
                             shown_count(static_cast<double>(summary.tokens)), speed,
                             shown_memory(summary), shown_energy(summary.energy)));
}

Result<Json> shown_run(const hub::TrainedModel& trained, Terminal& terminal) {
  print_summary(trained.summary, terminal);
  if (trained.model) terminal.print(fmt::format("registered as {}", trained.model->label()));
  return hub::to_json(trained);
}

void add_new_flag(CLI::App& command, bool& begins_anew) {
  command.add_flag("--new", begins_anew,
                   "Begin a run beside the one there is. Without it the same data and settings go "
                   "on with that; limits, checkpoints, evaluation, names, processes and device may "
                   "have changed");
}

}  // namespace

Result<Json> train_model(const hub::TrainModel& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto trained, hub::train_model(*hive, request, workspace.watch()));
  return shown_run(trained, workspace.terminal());
}

Result<Json> finetune_expert(const hub::FinetuneExpert& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto trained, hub::finetune_expert(*hive, request, workspace.watch()));
  return shown_run(trained, workspace.terminal());
}

void add_train_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<hub::TrainModel>();  // Shared by the flags and the callback.
  CLI::App* command =
      app.add_subcommand("train", "Train as a YAML run file says; the same command again resumes");
  command->add_option("run", options->config_file, "Run file, see docs/guides")->required();
  command->add_option("--name", options->model_name, "Register the result under this name");
  command
      ->add_option("--processes", options->processes,
                   "Share each batch among so many processes, instead of parallel.processes; a run "
                   "may go on with another number")
      ->check(CLI::Range(1, 64));
  add_new_flag(*command, options->begins_anew);
  command->callback([options, &action] {
    action = [options](Workspace& workspace) -> Result<Json> {
      PANAL_ASSIGN(options->config, store::read_file(options->config_file, kMaxConfigBytes));
      options->base_directory =
          std::filesystem::absolute(options->config_file).parent_path().string();
      return train_model(*options, workspace);
    };
  });
}

void add_finetune_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<hub::FinetuneExpert>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand(
      "finetune", "Train a LoRA expert over a core; the same command again resumes");
  command->add_option("--core", options->core, "Registered base model")->required();
  command
      ->add_option("--data", options->dataset,
                   "PARTITIONING:LABEL, a dataset's name, or a text or JSONL file")
      ->required();
  command->add_option("--name", options->name, "Name of the expert: GROUP/EXPERT")->required();
  command->add_option("--rank", options->rank, "Rank of the adapters")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--alpha", options->alpha, "Scale: alpha / rank")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--train-on", options->train_on,
                   "Of conversations: the assistant's turns, or all of them")
      ->check(CLI::IsMember({"assistant", "all"}))
      ->capture_default_str();
  command
      ->add_option("--special", options->special_tokens,
                   "Of plain texts: read special tokens in them, none, or as the dataset says")
      ->check(CLI::IsMember({"as_marked", "read", "none"}))
      ->capture_default_str();
  command->add_option("--targets", options->targets, "Linear layers to adapt; none: all")
      ->delimiter(',');
  command->add_option("--learning-rate", options->learning_rate, "AdamW")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--precision", options->precision,
                   "Of the products: fp32, bf16, or auto, which is bf16 where the CPU has it")
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}))
      ->capture_default_str();
  command->add_option("--batch", options->batch, "Sequences per step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--context", options->context, "Tokens per sequence")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("--processes", options->processes,
                   "Share each batch among so many processes; one may go on with another number")
      ->check(CLI::Range(1, 64));
  command->add_option("--steps", options->steps, "Updates")->check(CLI::PositiveNumber);
  command->add_option("--max-seconds", options->max_seconds, "Wall time")
      ->check(CLI::PositiveNumber);
  command->add_option("--seed", options->seed, "Of weights and data order")->capture_default_str();
  add_new_flag(*command, options->begins_anew);
  command->callback([options, &action] {
    action = [options](Workspace& workspace) -> Result<Json> {
      if (!options->steps && !options->max_seconds) options->max_seconds = 80;
      return finetune_expert(*options, workspace);
    };
  });
}

}  // namespace panal::cli
