// What is deployed, as one immutable table: a request looks into the one it finds and keeps it, and
// nothing is read from the database while nothing in it has changed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hub/answer_service.h"
#include "orchestrator/orchestrator.h"
#include "registry/catalogue.h"

namespace panal::hub {

/// An endpoint and what a process must hold to serve it.
struct ServedEndpoint {
  orchestrator::Endpoint endpoint{};
  std::filesystem::path core{};
  std::vector<std::pair<std::string, std::filesystem::path>> adapters{};  // Expert and folder.
  std::string revision{};  // Changes when a new process is needed.
  std::int64_t created_unix_ms = 0;
  bool is_default = false;
};

class EndpointTable {
 public:
  explicit EndpointTable(std::vector<std::shared_ptr<const ServedEndpoint>> endpoints);

  struct Target {
    std::shared_ptr<const ServedEndpoint> endpoint;
    std::string expert;  // Named by the model itself: "core", an expert, or "" for the router.
  };
  /// What a request's "model" means; empty is the default. Endpoints go before the models in them,
  /// so that what models() lists under a name is what answers to it. Errors: kNotFound.
  Result<Target> find(const std::string& model) const;
  /// Every name that find() knows, each once; without "auto" where it could only mean the one model
  /// there is.
  std::vector<ModelEntry> models() const;
  /// Null when nothing is deployed, or several endpoints and none is the default.
  std::shared_ptr<const ServedEndpoint> default_endpoint() const;
  const std::vector<std::shared_ptr<const ServedEndpoint>>& endpoints() const { return endpoints_; }

 private:
  const std::vector<std::shared_ptr<const ServedEndpoint>> endpoints_;
};

/// Thread-safe.
class Endpoints {
 public:
  /// Of what is deployed in the catalogue, which outlives this, as the clock does.
  Endpoints(registry::Catalogue& catalogue, Clock& clock);
  /// Of one model and nothing else.
  Endpoints(registry::Catalogue& catalogue, Clock& clock, ServedEndpoint only);

  /// The table as of now. Reads the database only when its files changed since the last call, or so
  /// shortly before it that a further change could have the same time stamp.
  Result<std::shared_ptr<const EndpointTable>> table();
  /// How often the database was read.
  std::int64_t num_reads() const;

 private:
  Result<std::shared_ptr<const EndpointTable>> read_table() PANAL_REQUIRES(mutex_);
  Result<std::shared_ptr<const ServedEndpoint>> endpoint_of(const registry::Deployment& deployment)
      PANAL_REQUIRES(mutex_);

  registry::Catalogue& catalogue_;
  Clock& clock_;
  const bool is_fixed_;

  mutable Mutex mutex_;  // Also held while the table is read: others wait for the same one.
  std::shared_ptr<const EndpointTable> table_ PANAL_GUARDED_BY(mutex_);
  registry::Catalogue::Stamp stamp_ PANAL_GUARDED_BY(mutex_){};
  /// No further change can have the stamp's time.
  bool is_settled_ PANAL_GUARDED_BY(mutex_) = false;
  std::int64_t num_reads_ PANAL_GUARDED_BY(mutex_) = 0;
  /// By name: as long as the revision holds, its files and topic model are not read again.
  std::map<std::string, std::shared_ptr<const ServedEndpoint>> known_ PANAL_GUARDED_BY(mutex_);
};

}  // namespace panal::hub
