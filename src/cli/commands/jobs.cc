#include "hub/jobs.h"

#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "cli/removal.h"

namespace panal::cli {
namespace {

using registry::JobState;

Result<Json> list_jobs(std::int64_t last, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto jobs, hub::list_jobs(*hive, last));
  std::vector<std::vector<std::string>> rows = {{"JOB", "KIND", "STATE", "CREATED", "ERROR"}};
  Json list = Json::array();
  for (const auto& job : jobs) {
    rows.push_back({job.id, job.kind, std::string(registry::job_state_name(job.state)),
                    iso_time(job.created_unix_ms), job.error.substr(0, 80)});
    list.push_back(registry::to_json(job));
  }
  workspace.terminal().table(rows);
  return Json{{"jobs", list}};
}

Result<Json> show_log(const std::string& id, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto log, hub::read_job_log(*hive, id));
  workspace.terminal().stream(log.text);
  return Json{{"job", registry::to_json(log.job)}, {"log", log.text}};
}

// A job that did not succeed makes the command fail, so that scripts can wait for one.
Result<Json> follow_job(const std::string& id, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto job, hub::follow_job(*hive, id, workspace.watch()));
  const std::string state(registry::job_state_name(job.state));
  if (job.state != JobState::kSucceeded) {
    return Status(job.state == JobState::kCancelled ? Code::kCancelled : Code::kUnavailable,
                  fmt::format("{} {}: {}", job.id, state, job.error));
  }
  workspace.terminal().print(fmt::format("{} {}", job.id, state));
  return registry::to_json(job);
}

Result<Json> cancel_job(const std::string& id, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_TRY(hub::cancel_job(*hive, id));
  workspace.terminal().print(
      fmt::format("{} is asked to stop; when it has: panal jobs follow {}", id, id));
  return Json{{"cancelling", id}};
}

Result<Json> remove_jobs(const hub::RemoveJobs& request, Workspace& workspace) {
  PANAL_ASSIGN(hub::Hive * hive, workspace.hive());
  PANAL_ASSIGN(const auto removal, hub::remove_jobs(*hive, request));
  return shown_removal(removal, workspace.terminal());
}

}  // namespace

void add_jobs_command(CLI::App& app, Action& action) {
  struct Options {
    std::int64_t last = 20;
    std::string log, followed, cancelled;
    hub::RemoveJobs removed;
  };
  auto options = std::make_shared<Options>();  // Shared by the flags and the callbacks.
  CLI::App* command =
      app.add_subcommand("jobs", "What was run here, and how it ended; follow, cancel, remove");
  command->fallthrough();
  command->add_option("--last", options->last, "Newest so many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--log", options->log, "Show the log of this job");
  command->callback([options, command, &action] {
    if (!command->get_subcommands().empty()) return;
    action = [options](Workspace& workspace) {
      return options->log.empty() ? list_jobs(options->last, workspace)
                                  : show_log(options->log, workspace);
    };
  });
  CLI::App* follow =
      command->add_subcommand("follow",
                              "Show a job's progress until it ends; exit code 1 when it "
                              "did not succeed");
  follow->add_option("job", options->followed, "As panal jobs lists it")->required();
  follow->callback([options, &action] {
    action = [options](Workspace& workspace) { return follow_job(options->followed, workspace); };
  });
  CLI::App* cancel =
      command->add_subcommand("cancel", "Ask a job to stop; training writes a checkpoint first");
  cancel->add_option("job", options->cancelled, "As panal jobs lists it")->required();
  cancel->callback([options, &action] {
    action = [options](Workspace& workspace) { return cancel_job(options->cancelled, workspace); };
  });
  CLI::App* remove = command->add_subcommand(
      "remove", "Forget ended jobs; the last job of a folder takes it along");
  remove->add_option("jobs", options->removed.ids, "As panal jobs lists them")->required();
  add_removal_options(remove, options->removed.options,
                      "checkpoints a run could go on from, a model that is not registered");
  remove->callback([options, &action] {
    action = [options](Workspace& workspace) { return remove_jobs(options->removed, workspace); };
  });
}

}  // namespace panal::cli
