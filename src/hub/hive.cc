#include "hub/hive.h"

#include "hub/detail/engine_events.h"
#include "store/file_system.h"

namespace panal::hub {

Result<std::unique_ptr<Hive>> Hive::open(const store::Home& home, Clock& clock, JobRunner& runner) {
  PANAL_ASSIGN(auto catalogue, registry::Catalogue::open(store::posix_file_system(), home, clock));
  return std::unique_ptr<Hive>(new Hive(std::move(catalogue), clock, runner));
}

Result<Json> Hive::run_job(const JobOrder& order, const Watch& watch) {
  PANAL_ASSIGN(const registry::Job job, catalogue_->add_job(order.kind, order.spec));
  PANAL_TRY(catalogue_->start_job(job.id));
  const auto folder = order.folder.empty() ? home().jobs / job.id : order.folder;
  auto result = runner_.run(
      {order.kind, order.spec, folder, order.processes},
      [&](const Json& line) {
        if (auto event = detail::event_of_line(line)) watch.tell(order.activity, *std::move(event));
      },
      watch.stop);
  if (result.ok() && order.judge) {
    if (Status verdict = order.judge(*result); !verdict.ok()) result = std::move(verdict);
  }
  if (result.ok()) {
    PANAL_TRY(catalogue_->succeed_job(job.id, *result));
  } else if (result.code() == Code::kCancelled) {
    PANAL_TRY(catalogue_->cancel_job(job.id, result.status().message()));
  } else {
    PANAL_TRY(catalogue_->fail_job(job.id, result.status().message()));
  }
  return result;
}

}  // namespace panal::hub
