#include "recipe/run_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <utility>

#include "base/hash.h"
#include "store/content_digest.h"

namespace panal::recipe {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> kModelFiles = {".safetensors", ".gguf",  ".json",
                                                         ".model",       ".jinja", ".txt"};
constexpr auto kTokenizerFiles = std::span(kModelFiles).subspan(2);
constexpr std::size_t kMostMembers = 100'000;

// Field to value of a config, dotted.
std::map<std::string, std::string> shaping_fields(const RunConfig& config) {
  std::map<std::string, std::string> fields;
  const Json flat = run_config_to_json(config).flatten();
  for (const auto& [pointer, value] : flat.items()) {
    std::string field = pointer.substr(1);
    std::ranges::replace(field, '/', '.');
    // One that is not listed may shape weights.
    if (role_of(field).value_or(FieldRole::kShapesWeights) == FieldRole::kShapesWeights) {
      fields[field] = to_line(value);
    }
  }
  return fields;
}

Status add_input(RunIdentity& identity, const std::string& name, Result<std::string> digest) {
  if (!digest.ok()) return digest.status().with_context(name);
  identity.inputs[name] = std::move(*digest);
  return Status();
}

Json members_json(const std::map<std::string, std::string>& members) {
  Json json = Json::object();
  for (const auto& [name, value] : members) json[name] = value;
  return json;
}

Result<std::map<std::string, std::string>> members_from(const Json& json, const char* key,
                                                        std::string_view where) {
  if (!json_has(json, key) || !json[key].is_object() || json[key].size() > kMostMembers) {
    return Status(Code::kCorrupt, fmt::format("{}: {} must be an object", where, key));
  }
  std::map<std::string, std::string> members;
  for (const auto& [name, value] : json[key].items()) {
    if (!value.is_string()) {
      return Status(Code::kCorrupt, fmt::format("{}: {}.{} must be a text", where, key, name));
    }
    members[name] = value.get<std::string>();
  }
  return members;
}

// Calls `say` with the name and both values, empty where one has none, of each that differs.
template <typename Say>
void for_each_difference(const std::map<std::string, std::string>& before,
                         const std::map<std::string, std::string>& now, const Say& say) {
  const auto value_in = [](const std::map<std::string, std::string>& all, const std::string& name) {
    const auto found = all.find(name);
    return found == all.end() ? std::string() : found->second;
  };
  for (const auto& [name, value] : before) {
    if (value_in(now, name) != value) say(name, value, value_in(now, name));
  }
  for (const auto& [name, value] : now) {
    if (!before.contains(name)) say(name, "", value);
  }
}

}  // namespace

std::string RunIdentity::id() const { return sha256_hex(to_line(identity_to_json(*this))); }

Result<RunIdentity> identify(const RunConfig& config) {
  RunIdentity identity;
  identity.fields = shaping_fields(config);
  const auto& data = config.data;
  if (data.sources.empty()) {
    PANAL_TRY(add_input(identity, "data.paths", store::content_digest(data.paths)));
  }
  for (const auto& source : data.sources) {
    PANAL_TRY(
        add_input(identity, "data.sources " + source.name, store::content_digest(source.paths)));
  }
  if (!data.validation_path.empty()) {
    PANAL_TRY(add_input(identity, "data.validation_path",
                        store::content_digest(std::span(&data.validation_path, 1))));
  }
  if (config.kind == RunKind::kLora) {
    PANAL_TRY(
        add_input(identity, "model.core", store::content_digest(config.model.core, kModelFiles)));
  } else if (!config.tokenizer.path.empty()) {
    PANAL_TRY(add_input(identity, "tokenizer.path",
                        store::content_digest(config.tokenizer.path, kTokenizerFiles)));
  }
  return identity;
}

Json identity_to_json(const RunIdentity& identity) {
  return {{"fields", members_json(identity.fields)}, {"inputs", members_json(identity.inputs)}};
}

Result<RunIdentity> identity_from_json(const Json& json, std::string_view where) {
  RunIdentity identity;
  PANAL_ASSIGN(identity.fields, members_from(json, "fields", where));
  PANAL_ASSIGN(identity.inputs, members_from(json, "inputs", where));
  return identity;
}

std::vector<std::string> differences(const RunIdentity& before, const RunIdentity& now) {
  std::vector<std::string> all;
  const auto shown = [](const std::string& value) {
    return value.empty() ? std::string("not given") : value;
  };
  for_each_difference(before.inputs, now.inputs,
                      [&](const std::string& name, const std::string& was, const std::string& is) {
                        all.push_back(was.empty()  ? name + " is given now"
                                      : is.empty() ? name + " is not given any more"
                                                   : "what " + name + " leads to has changed");
                      });
  for_each_difference(
      before.fields, now.fields,
      [&](const std::string& name, const std::string& was, const std::string& is) {
        all.push_back(fmt::format("{} was {} and is {}", name, shown(was), shown(is)));
      });
  return all;
}

}  // namespace panal::recipe
