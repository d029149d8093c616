#include "train/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "store/home.h"
#include "train/detail/follower.h"
#include "train/detail/session.h"

namespace panal::train {

namespace {

// The other ranks' processes: what they spend is the run's too.
Result<std::vector<int>> other_processes(swarm::Group& group) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(group.size()));
  all[static_cast<std::size_t>(group.rank())] = ::getpid();
  const auto bytes = std::as_writable_bytes(std::span(all));
  PANAL_TRY(group.all_gather_bytes(bytes, swarm::equal_parts(bytes.size(), group.size())));
  all.erase(all.begin() + group.rank());
  return std::vector<int>(all.begin(), all.end());
}

}  // namespace

Result<work::TrainingSummary> run(const recipe::RunConfig& config, RunEvents& events,
                                  std::stop_token stop, RunEnvironment environment) {
  if (config.run_directory.empty()) {
    return Status(Code::kInvalidArgument, "a run needs a run directory, found none");
  }
  const int size = environment.group == nullptr ? 1 : environment.group->size();
  if (size != config.parallel.processes) {
    return Status(Code::kInvalidArgument,
                  fmt::format("the config wants {} processes, but the run was started with {}",
                              config.parallel.processes, size));
  }
  if (environment.group != nullptr && environment.group->rank() > 0) {
    return capture([&]() -> Result<work::TrainingSummary> {
      return detail::follow(config, events, std::move(stop), environment);
    });
  }
  PANAL_TRY(store::make_directories(environment.files, config.run_directory));
  PANAL_ASSIGN(const store::ProcessLock lock,
               store::ProcessLock::take(config.run_directory / "lock",
                                        fmt::format("the run {}", config.run_directory.string())));
  return capture([&]() -> Result<work::TrainingSummary> {
    return detail::Session(config, events, std::move(stop), environment).run();
  });
}

Result<work::TrainingSummary> run(const recipe::RunConfig& config, RunEvents& events,
                                  std::stop_token stop, swarm::Group* group) {
  SystemClock clock;
  energy::MeterOptions options;
  if (group != nullptr) {
    PANAL_ASSIGN(options.cpu_time.child_processes, other_processes(*group));
  }
  const auto meter = energy::open_best_meter(clock, options);
  return run(
      config, events, std::move(stop),
      {.files = store::posix_file_system(), .clock = clock, .meter = *meter, .group = group});
}

}  // namespace panal::train
