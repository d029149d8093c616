#include <cstdlib>
#include <optional>

#include "swarm/group.h"
#include "train/probes.h"
#include "train/run.h"

#include "engine/commands/commands.h"
#include "engine/event_forwarder.h"

namespace panal::engine {
namespace {

// This process's place among those that share the run.
Result<swarm::Group> join_group(const work::GroupPlace& place, const recipe::RunConfig& config) {
  swarm::GroupOptions options;
  options.address = place.address;
  options.token = place.token;
  // Where NCCL's ranks meet is no secret place, so on one machine it is one that no other machine
  // reaches. NCCL reads this when it is first called.
  if (options.address.starts_with("unix:")) ::setenv("NCCL_SOCKET_IFNAME", "lo", /*replace=*/0);
  options.size = static_cast<int>(place.size);
  options.rank = static_cast<int>(place.rank);
  options.deadline =
      std::chrono::milliseconds(static_cast<std::int64_t>(config.parallel.deadline_seconds * 1e3));
  return swarm::Group::join(options);
}

}  // namespace

Result<work::TrainingSummary> train(const work::TrainingJob& job, const JobContext& context) {
  PANAL_ASSIGN(recipe::RunConfig config,
               recipe::parse_run_config(job.file.config, job.file.config_name,
                                        job.file.base_directory.value_or(""), train::runs_here()));
  config.run_directory = job.run_directory;
  if (job.file.processes) {
    config.parallel.processes = *job.file.processes;
    PANAL_TRY(recipe::check_processes(config).with_context("--processes"));
  }
  EventForwarder forwarder(context.events);
  std::optional<swarm::Group> group;
  if (context.group) {
    PANAL_ASSIGN(group, join_group(*context.group, config));
  }
  return train::run(config, forwarder, context.stop, group ? &*group : nullptr);
}

}  // namespace panal::engine
