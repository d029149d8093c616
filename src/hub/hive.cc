#include "hub/hive.h"

#include "hub/detail/event_journal.h"
#include "store/file_system.h"

namespace panal::hub {

Result<std::unique_ptr<Hive>> Hive::open(const store::Home& home, Clock& clock, JobRunner& runner) {
  PANAL_ASSIGN(auto catalogue, registry::Catalogue::open(store::posix_file_system(), home, clock));
  return std::unique_ptr<Hive>(new Hive(std::move(catalogue), clock, runner));
}

// A job while it runs: its stop request comes from who ordered it or from stop_own_job().
class Hive::Running {
 public:
  Running(Hive& hive, std::string id, std::stop_token ordered)
      : hive_(hive), id_(std::move(id)), passes_on_(std::move(ordered), Stop{stop_}) {
    const MutexLock lock(hive_.mutex_);
    hive_.running_[id_] = stop_;
  }
  ~Running() {
    const MutexLock lock(hive_.mutex_);
    hive_.running_.erase(id_);
  }
  std::stop_token token() const { return stop_.get_token(); }

 private:
  struct Stop {
    std::stop_source stop;
    void operator()() { stop.request_stop(); }
  };
  Hive& hive_;
  const std::string id_;
  std::stop_source stop_;
  std::stop_callback<Stop> passes_on_;
};

bool Hive::stop_own_job(const std::string& id) {
  const MutexLock lock(mutex_);
  const auto found = running_.find(id);
  if (found == running_.end()) return false;
  found->second.request_stop();
  return true;
}

Status Hive::run_encoded(const std::string& kind, const Json& spec, const JobOrder& order,
                         const Watch& watch, const std::function<Status(const Json&)>& take) {
  const auto inside = order.folder.lexically_relative(home().jobs);
  const bool is_inside = !inside.empty() && *inside.begin() != "..";
  PANAL_ASSIGN(const registry::Job job,
               catalogue_->add_job(kind, spec, is_inside ? inside : order.folder));
  PANAL_TRY(catalogue_->start_job(job.id));
  const auto folder = catalogue_->folder_of(job);
  const Running running(*this, job.id, watch.stop);
  detail::EventJournal journal(detail::journal_path(folder, job.id), order.activity, clock_);
  const auto result = runner_.run(
      {kind, spec, folder, order.processes},
      [&](const work::JobEvent& event) {
        journal.write(event);
        watch.tell(order.activity, event.event);
      },
      running.token());
  const Status status = result.ok() ? take(*result) : result.status();
  if (status.ok()) return catalogue_->succeed_job(job.id, *result);
  if (status.code() == Code::kCancelled) {
    PANAL_TRY(catalogue_->cancel_job(job.id, status.message()));
  } else {
    PANAL_TRY(catalogue_->fail_job(job.id, status.message()));
  }
  return status;
}

}  // namespace panal::hub
