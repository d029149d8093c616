// The hub of one machine: endpoints from the catalogue (or one fixed model), an engine process per
// endpoint, and the orchestrator between them and the API.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/answer_service.h"
#include "base/clock.h"
#include "energy/carbon.h"
#include "fleet/engine_worker.h"
#include "orchestrator/orchestrator.h"
#include "registry/catalogue.h"

namespace panal::cli {

/// What an engine process must hold to serve an endpoint.
struct HubEndpoint {
  orchestrator::Endpoint endpoint;
  std::filesystem::path core;
  std::vector<std::pair<std::string, std::filesystem::path>> adapters;  // Expert name and folder.
  std::string revision;  // Changes when a new engine is needed.
  std::int64_t created_unix_ms = 0;
  bool is_default = false;
};

/// Thread-safe.
class Hub final : public api::AnswerService {
 public:
  /// Serves what is deployed in the catalogue, which must outlive the hub, as the clock must.
  Hub(registry::Catalogue& catalogue, Clock& clock);
  /// Serves one model and nothing else.
  Hub(registry::Catalogue& catalogue, Clock& clock, HubEndpoint only);

  std::vector<api::ModelEntry> models() override;
  Status ready() override;
  Result<api::AnswerSummary> answer(const api::AnswerRequest& request, api::AnswerSink& sink,
                                    std::stop_token stop) override;

  /// Starts the engine of the default endpoint, so that the first question does not wait for it.
  Status warm_up();

 private:
  struct Target {
    HubEndpoint endpoint;
    std::string expert;  // Named by the model itself: "core", an expert, or "" for the router.
  };
  Result<std::vector<HubEndpoint>> endpoints();
  Result<HubEndpoint> endpoint_of(const registry::Deployment& deployment);
  Result<Target> find_target(const std::string& model);
  // Shared by the table and the answers in progress: a replaced engine ends with its last answer.
  Result<std::shared_ptr<fleet::EngineWorker>> worker_of(const HubEndpoint& endpoint);

  registry::Catalogue& catalogue_;
  Clock& clock_;
  const std::optional<HubEndpoint> only_;
  const orchestrator::Orchestrator orchestrator_;
  const energy::CarbonOptions carbon_;

  struct Running {
    std::string revision;
    std::shared_ptr<fleet::EngineWorker> worker;
  };
  std::mutex mutex_;  // Also held while an engine starts: others wait for the same one.
  std::map<std::string, Running> running_;  // By endpoint name. Guarded by mutex_.
  std::map<std::string, HubEndpoint>
      known_;  // By endpoint name, as long as the revision holds. Guarded by known_mutex_.
  std::mutex known_mutex_;
};

}  // namespace panal::cli
