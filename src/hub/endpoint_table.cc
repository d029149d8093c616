#include "hub/endpoint_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "topics/topic_model.h"

namespace panal::hub {
namespace {

constexpr std::uint64_t kMaxTopicModelBytes = 256u << 20;
constexpr char kAutoModel[] = "auto";
// The coarsest clock that file systems stamp changes by has steps of two seconds.
constexpr std::int64_t kSettledMs = 2500;

}  // namespace

EndpointTable::EndpointTable(std::vector<std::shared_ptr<const ServedEndpoint>> endpoints)
    : endpoints_(std::move(endpoints)) {}

std::shared_ptr<const ServedEndpoint> EndpointTable::default_endpoint() const {
  for (const auto& endpoint : endpoints_) {
    if (endpoint->is_default || endpoints_.size() == 1) return endpoint;
  }
  return nullptr;
}

Result<EndpointTable::Target> EndpointTable::find(const std::string& model) const {
  if (endpoints_.empty()) {
    return Status(Code::kNotFound,
                  "nothing is deployed yet; run panal demo, or panal deploy NAME --core MODEL");
  }
  if (model.empty() || model == kAutoModel) {
    if (auto endpoint = default_endpoint()) return Target{std::move(endpoint), ""};
  }
  for (const auto& endpoint : endpoints_) {
    if (endpoint->endpoint.name == model) return Target{endpoint, ""};
  }
  for (const auto& endpoint : endpoints_) {
    if (endpoint->endpoint.core == model) return Target{endpoint, "core"};
    for (const auto& expert : endpoint->endpoint.experts) {
      if (expert.name == model) return Target{endpoint, model};
    }
  }
  std::string known;
  for (const ModelEntry& entry : models()) known += (known.empty() ? "" : ", ") + entry.id;
  return Status(Code::kNotFound,
                fmt::format("the model \"{:.200}\" does not exist; known: {}", model, known));
}

std::vector<ModelEntry> EndpointTable::models() const {
  std::vector<ModelEntry> entries;
  const auto add = [&](ModelEntry entry) {
    if (std::ranges::find(entries, entry.id, &ModelEntry::id) == entries.end()) {
      entries.push_back(std::move(entry));
    }
  };
  using enum ModelEntry::Kind;
  const auto entry_of = [](const ServedEndpoint& served, std::string id, ModelEntry::Kind kind) {
    return ModelEntry{.id = std::move(id),
                      .kind = kind,
                      .created_unix_s = served.created_unix_ms / 1000,
                      .endpoint = served.endpoint.name,
                      .version = served.endpoint.core_version,
                      .is_default = served.is_default};
  };
  // In the order in which find() looks. Where there is one model alone, "auto" answers and is not
  // listed: it would be the model once more.
  const bool is_one_model = endpoints_.size() == 1 && endpoints_[0]->endpoint.experts.empty() &&
                            endpoints_[0]->endpoint.name == endpoints_[0]->endpoint.core;
  const auto served_by_default = default_endpoint();
  if (served_by_default && !is_one_model) add(entry_of(*served_by_default, kAutoModel, kAuto));
  for (const auto& served : endpoints_) {
    ModelEntry group = entry_of(*served, served->endpoint.name, kGroup);
    for (const auto& expert : served->endpoint.experts) {
      group.experts.push_back({expert.name, expert.label, expert.version});
    }
    add(std::move(group));
  }
  for (const auto& served : endpoints_) {
    add(entry_of(*served, served->endpoint.core, kCore));
    for (const auto& expert : served->endpoint.experts) {
      ModelEntry entry = entry_of(*served, expert.name, kExpert);
      entry.version = expert.version;
      entry.label = expert.label;
      add(std::move(entry));
    }
  }
  return entries;
}

Endpoints::Endpoints(registry::Catalogue& catalogue, Clock& clock)
    : catalogue_(catalogue), clock_(clock), is_fixed_(false) {}

Endpoints::Endpoints(registry::Catalogue& catalogue, Clock& clock, ServedEndpoint only)
    : catalogue_(catalogue), clock_(clock), is_fixed_(true) {
  table_ = std::make_shared<const EndpointTable>(
      std::vector{std::make_shared<const ServedEndpoint>(std::move(only))});
}

std::int64_t Endpoints::num_reads() const {
  const MutexLock lock(mutex_);
  return num_reads_;
}

Result<std::shared_ptr<const EndpointTable>> Endpoints::table() {
  const MutexLock lock(mutex_);
  if (is_fixed_) return table_;
  const registry::Catalogue::Stamp stamp = catalogue_.stamp();
  if (table_ && is_settled_ && stamp == stamp_) return table_;
  // Taken before the read: a change in between shows as another stamp next time.
  stamp_ = stamp;
  is_settled_ = clock_.unix_ms() - stamp.newest_unix_ms() > kSettledMs;
  PANAL_ASSIGN(table_, read_table());
  ++num_reads_;
  return table_;
}

Result<std::shared_ptr<const EndpointTable>> Endpoints::read_table() {
  PANAL_ASSIGN(const auto deployments, catalogue_.list_deployments());
  std::vector<std::shared_ptr<const ServedEndpoint>> endpoints;
  std::map<std::string, std::shared_ptr<const ServedEndpoint>> known;
  for (const auto& deployment : deployments) {
    PANAL_ASSIGN(auto endpoint, endpoint_of(deployment));
    known[deployment.name] = endpoint;
    endpoints.push_back(std::move(endpoint));
  }
  known_ = std::move(known);
  return std::make_shared<const EndpointTable>(std::move(endpoints));
}

Result<std::shared_ptr<const ServedEndpoint>> Endpoints::endpoint_of(
    const registry::Deployment& deployment) {
  const std::string revision =
      std::to_string(deployment.id) + "." + std::to_string(deployment.revision);
  if (const auto found = known_.find(deployment.name);
      found != known_.end() && found->second->revision == revision) {
    if (found->second->is_default == deployment.is_default) return found->second;
    ServedEndpoint changed = *found->second;
    changed.is_default = deployment.is_default;
    return std::make_shared<const ServedEndpoint>(std::move(changed));
  }
  ServedEndpoint made;
  made.revision = revision;
  made.is_default = deployment.is_default;
  made.created_unix_ms = deployment.created_unix_ms;
  made.endpoint.name = deployment.name;
  made.endpoint.core = deployment.core.name;
  made.endpoint.core_version = deployment.core.label();
  PANAL_ASSIGN(made.core, catalogue_.materialise(deployment.core));
  for (const auto& expert : deployment.experts) {
    PANAL_ASSIGN(const auto folder, catalogue_.materialise(expert.model));
    made.adapters.emplace_back(expert.model.name, folder);
    made.endpoint.experts.push_back({.name = expert.model.name,
                                     .label = expert.label,
                                     .partition = expert.label,
                                     .version = expert.model.label()});
  }
  if (!deployment.topic_model_blob.empty()) {
    const std::string where = "topic model of " + deployment.name;
    PANAL_ASSIGN(const std::string text,
                 catalogue_.blobs().read(deployment.topic_model_blob, kMaxTopicModelBytes));
    PANAL_ASSIGN(const Json json, parse_json(text, where));
    PANAL_ASSIGN(auto topics, topics::TopicModel::from_json(json, where));
    made.endpoint.topics = std::make_shared<const topics::TopicModel>(std::move(topics));
  }
  return std::make_shared<const ServedEndpoint>(std::move(made));
}

}  // namespace panal::hub
