#include "train/run.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "store/home.h"
#include "train/detail/session.h"

namespace panal::train {

Result<TrainSummary> run(const TrainConfig& config, RunEvents& events, std::stop_token stop,
                         RunEnvironment environment) {
  if (config.run_directory.empty()) {
    return Status(Code::kInvalidArgument, "a run needs a run directory, found none");
  }
  PANAL_TRY(store::make_directories(environment.files, config.run_directory));
  PANAL_ASSIGN(const store::ProcessLock lock,
               store::ProcessLock::take(config.run_directory / "lock",
                                        fmt::format("the run {}", config.run_directory.string())));
  return capture([&]() -> Result<TrainSummary> {
    return detail::Session(config, events, std::move(stop), environment).run();
  });
}

Result<TrainSummary> run(const TrainConfig& config, RunEvents& events, std::stop_token stop) {
  SystemClock clock;
  const auto meter = energy::open_best_meter(clock);
  return run(config, events, std::move(stop),
             {.files = store::posix_file_system(), .clock = clock, .meter = *meter});
}

}  // namespace panal::train
