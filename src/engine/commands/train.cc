#include <cstdlib>
#include <optional>

#include "swarm/group.h"
#include "train/probes.h"
#include "train/run.h"

#include "engine/commands/commands.h"
#include "engine/event_forwarder.h"

namespace panal::engine {
namespace {

// {"rank", "size", "address", "token"}: this process's place among those that share the run.
Result<swarm::Group> join_group(const Json& place, const recipe::RunConfig& config) {
  swarm::GroupOptions options;
  PANAL_ASSIGN(const auto size, json_integer(place, "size", "job", 1, 64));
  PANAL_ASSIGN(const auto rank, json_integer(place, "rank", "job", 0, size - 1));
  PANAL_ASSIGN(options.address, json_string(place, "address", "job"));
  PANAL_ASSIGN(options.token, json_string(place, "token", "job"));
  // Where NCCL's ranks meet is no secret place, so on one machine it is one that no other machine
  // reaches. NCCL reads this when it is first called.
  if (options.address.starts_with("unix:")) ::setenv("NCCL_SOCKET_IFNAME", "lo", /*replace=*/0);
  options.size = static_cast<int>(size);
  options.rank = static_cast<int>(rank);
  options.deadline =
      std::chrono::milliseconds(static_cast<std::int64_t>(config.parallel.deadline_seconds * 1e3));
  return swarm::Group::join(options);
}

}  // namespace

Result<Json> train(const JobContext& job) {
  PANAL_ASSIGN(const std::string yaml, json_string(job.spec, "config", "job"));
  PANAL_ASSIGN(const std::string name, json_string(job.spec, "config_name", "job"));
  PANAL_ASSIGN(const std::string run_directory, json_string(job.spec, "run_directory", "job"));
  std::string base_directory;
  if (json_has(job.spec, "base_directory")) {
    PANAL_ASSIGN(base_directory, json_string(job.spec, "base_directory", "job"));
  }
  PANAL_ASSIGN(recipe::RunConfig config,
               recipe::parse_run_config(yaml, name, base_directory, train::runs_here()));
  config.run_directory = run_directory;
  if (json_has(job.spec, "processes")) {
    PANAL_ASSIGN(config.parallel.processes, json_integer(job.spec, "processes", "job", 1, 64));
    PANAL_TRY(recipe::check_processes(config).with_context("--processes"));
  }
  EventForwarder forwarder(job.events);
  std::optional<swarm::Group> group;
  if (json_has(job.spec, "group")) {
    PANAL_ASSIGN(group, join_group(job.spec.at("group"), config));
  }
  PANAL_ASSIGN(const train::TrainSummary summary,
               train::run(config, forwarder, job.stop, group ? &*group : nullptr));
  return train::summary_to_json(summary);
}

}  // namespace panal::engine
