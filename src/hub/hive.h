// A hive of one machine: its home, what its catalogue knows, and where its jobs are computed. The
// use cases around this header are functions over it: a struct of values goes in, a result of
// values comes out, and nothing of them knows a terminal or a tensor.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "hub/event.h"
#include "hub/job_runner.h"
#include "registry/catalogue.h"
#include "store/home.h"

namespace panal::hub {

/// A job as a use case orders it.
struct JobOrder {
  std::string kind{};          // As fleet::EngineJob.
  Json spec = Json::object();  // Absolute paths.
  std::string activity{};      // For people: "checking every tensor".
  /// Made when it is missing; empty: a fresh one under home/jobs.
  std::filesystem::path folder{};
  int processes = 1;
  /// Looks at what came out: an error ends the job as that error says. May be empty.
  std::function<Status(const Json& result)> judge{};
};

/// Thread-safe as far as its parts are: calls may run side by side.
class Hive {
 public:
  /// Opens the catalogue of `home`; `clock` and `runner` must outlive the hive. Errors: those of
  /// Catalogue::open.
  static Result<std::unique_ptr<Hive>> open(const store::Home& home, Clock& clock,
                                            JobRunner& runner);

  registry::Catalogue& catalogue() { return *catalogue_; }
  const store::Home& home() const { return catalogue_->home(); }
  Clock& clock() { return clock_; }

  /// Writes the job down, runs it, and writes down how it ended: succeeded with its result,
  /// cancelled (kCancelled) or failed with the reason. Errors: the job's own, its judge's, and the
  /// catalogue's.
  Result<Json> run_job(const JobOrder& order, const Watch& watch);
  /// Asks a job that this hive runs now to stop; false when it runs no such job.
  bool stop_own_job(const std::string& id);

 private:
  class Running;
  Hive(std::unique_ptr<registry::Catalogue> catalogue, Clock& clock, JobRunner& runner)
      : catalogue_(std::move(catalogue)), clock_(clock), runner_(runner) {}

  const std::unique_ptr<registry::Catalogue> catalogue_;
  Clock& clock_;       // Outlives the hive.
  JobRunner& runner_;  // Outlives the hive.
  std::mutex mutex_;
  std::map<std::string, std::stop_source> running_;  // By job. Guarded by mutex_.
};

/// The version and commit this program was built from: "0.1.0 (1a2b3c4d5e6f)".
std::string code_version();

}  // namespace panal::hub
