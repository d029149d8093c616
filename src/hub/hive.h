// A hive of one machine: its home, what its catalogue knows, and where its jobs are computed. The
// use cases around this header are functions over it: a struct of values goes in, a result of
// values comes out, and nothing of them knows a terminal or a tensor.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hub/event.h"
#include "hub/job_runner.h"
#include "registry/catalogue.h"
#include "store/home.h"
#include "work/job.h"

namespace panal::hub {

/// How a job is done, whatever it is.
struct JobOrder {
  std::string activity{};  // For people: "checking every tensor".
  /// Made when it is missing; empty: a fresh one under home/jobs.
  std::filesystem::path folder{};
  int processes = 1;
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

  /// Writes the job down, runs it, and writes down how it ended: succeeded with its outcome,
  /// cancelled (kCancelled) or failed with the reason. `judge` looks at what came out: an error
  /// ends the job as that error says; it may be empty. Paths in the job are absolute. Errors: the
  /// job's own, the judge's, the catalogue's, and kInvalidArgument for an outcome that cannot be
  /// read.
  template <work::Job Job>
  Result<typename Job::Outcome> run_job(
      const Job& job, const JobOrder& order, const Watch& watch,
      const std::function<Status(const typename Job::Outcome&)>& judge = {}) {
    std::optional<typename Job::Outcome> outcome;
    const auto take = [&](const Json& result) -> Status {
      PANAL_ASSIGN(outcome, work::decode<typename Job::Outcome>(result, "outcome of the job"));
      return judge ? judge(*outcome) : Status();
    };
    PANAL_TRY(run_encoded(Job::kKind, work::encode(job), order, watch, take));
    return *std::move(outcome);
  }
  /// Asks a job that this hive runs now to stop; false when it runs no such job.
  bool stop_own_job(const std::string& id);

 private:
  class Running;
  Status run_encoded(const std::string& kind, const Json& spec, const JobOrder& order,
                     const Watch& watch, const std::function<Status(const Json&)>& take);
  Hive(std::unique_ptr<registry::Catalogue> catalogue, Clock& clock, JobRunner& runner)
      : catalogue_(std::move(catalogue)), clock_(clock), runner_(runner) {}

  const std::unique_ptr<registry::Catalogue> catalogue_;
  Clock& clock_;       // Outlives the hive.
  JobRunner& runner_;  // Outlives the hive.
  Mutex mutex_;
  std::map<std::string, std::stop_source> running_ PANAL_GUARDED_BY(mutex_);  // By job.
};

/// The version and commit this program was built from: "0.1.0 (1a2b3c4d5e6f)".
std::string code_version();

}  // namespace panal::hub
