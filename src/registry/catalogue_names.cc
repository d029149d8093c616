// Who has a name: a client writes models, experts and endpoints in the same place, so that one name
// must mean one thing.
#include <fmt/format.h>

#include "registry/catalogue.h"

namespace panal::registry {

using store::Statement;

namespace {

std::string_view kind_of_use(Catalogue::NameUse use) {
  return kind_name(use == Catalogue::NameUse::kAdapter ? ModelKind::kAdapter : ModelKind::kBase);
}

}  // namespace

Status Catalogue::check_name_is_free(std::string_view name, NameUse use) {
  PANAL_TRY(use == NameUse::kEndpoint
                ? check_endpoint_name(name)
                : check_model_name(
                      name, use == NameUse::kAdapter ? ModelKind::kAdapter : ModelKind::kBase));
  const MutexLock lock(mutex_);
  return name_is_free_locked(name, use);
}

Status Catalogue::name_is_free_locked(std::string_view name, NameUse use) {
  PANAL_ASSIGN(Statement model,
               database_.query("SELECT kind FROM model_names WHERE name = ?", name));
  PANAL_ASSIGN(const bool is_model, model.step());
  PANAL_ASSIGN(Statement endpoint,
               database_.query("SELECT m.name || '@' || m.version FROM deployments d JOIN models m "
                               "ON m.id = d.core_id WHERE d.name = ?",
                               name));
  PANAL_ASSIGN(const bool is_endpoint, endpoint.step());
  if (use == NameUse::kEndpoint) {
    if (is_endpoint || !is_model) return Status();
    return Status(Code::kConflict,
                  fmt::format("\"{}\" is the name of {} models already; choose another name for "
                              "this endpoint",
                              name, model.text(0)));
  }
  if (is_model) {
    if (model.text(0) == kind_of_use(use)) return Status();
    return Status(Code::kConflict,
                  fmt::format("\"{}\" is the name of {} models already; choose another name for "
                              "this {} model",
                              name, model.text(0), kind_of_use(use)));
  }
  if (!is_endpoint) return Status();
  return Status(Code::kConflict,
                fmt::format("\"{}\" is the name of an endpoint already, whose core is {}; choose "
                            "another name for this {} model",
                            name, endpoint.text(0), kind_of_use(use)));
}

}  // namespace panal::registry
