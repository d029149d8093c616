#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "store/file_system.h"

namespace panal::cli {
namespace {

constexpr std::uint64_t kMaxLogBytes = 64u << 20;

Result<Json> list_jobs(std::int64_t last, Workspace& workspace) {
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(const auto jobs, catalogue->list_jobs(last));
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
  PANAL_ASSIGN(registry::Catalogue * catalogue, workspace.catalogue());
  PANAL_ASSIGN(const auto job, catalogue->find_job(id));
  const auto path = catalogue->home().jobs / job.id / "log.txt";
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMaxLogBytes));
  workspace.terminal().stream(text);
  return Json{{"job", registry::to_json(job)}, {"log", text}};
}

}  // namespace

void add_jobs_command(CLI::App& app, Action& action) {
  struct Options {
    std::int64_t last = 20;
    std::string log;
  };
  auto options = std::make_shared<Options>();  // Shared by the flags and the callback.
  CLI::App* command = app.add_subcommand("jobs", "What was run here, and how it ended");
  command->add_option("--last", options->last, "Newest so many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--log", options->log, "Show the log of this job");
  command->callback([options, &action] {
    action = [options](Workspace& workspace) {
      return options->log.empty() ? list_jobs(options->last, workspace)
                                  : show_log(options->log, workspace);
    };
  });
}

}  // namespace panal::cli
