// Where the hive's jobs are computed: as children of this process, or, in tests, by a script.
#pragma once

#include <stop_token>

#include "base/json.h"
#include "base/result.h"
#include "fleet/engine_job.h"

namespace panal::hub {

class JobRunner {
 public:
  virtual ~JobRunner() = default;
  /// Runs a job to its end, as fleet::run_engine_job does.
  virtual Result<Json> run(const fleet::EngineJob& job, const fleet::EngineEvent& on_event,
                           std::stop_token stop) = 0;
};

/// Runs every job as a child process, panal-engine. Stateless.
class EngineJobRunner final : public JobRunner {
 public:
  Result<Json> run(const fleet::EngineJob& job, const fleet::EngineEvent& on_event,
                   std::stop_token stop) override {
    return fleet::run_engine_job(job, on_event, stop);
  }
};

}  // namespace panal::hub
