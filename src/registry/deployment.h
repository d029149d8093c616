// A deployment is an endpoint: one core model, its experts, and the topic model that chooses among
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "registry/model_version.h"

namespace panal::registry {

struct NewExpert {
  std::string model{};                      // "NAME" or "NAME@3": fixed to a version when deployed.
  std::string label{};                      // What the router calls it: the partition's label.
  std::optional<std::int64_t> partition{};  // Its number in the partitioning; unique when given.
};

struct NewDeployment {
  std::string name{};                // The endpoint: what a client writes as "model".
  std::string core{};                // "NAME" or "NAME@3".
  std::vector<NewExpert> experts{};  // In the router's order. Labels must differ.
  std::string topic_model_blob{};    // "" when nothing is routed: then there are no experts, or the
                                     // caller chooses.
  bool make_default = false;         // The first deployment becomes the default anyway.
};

struct Expert {
  ModelVersion model{};
  std::string label{};
  std::optional<std::int64_t> partition{};
};

struct Deployment {
  std::int64_t id = 0;
  std::string name{};
  ModelVersion core{};
  std::vector<Expert> experts{};
  std::string topic_model_blob{};
  bool is_default = false;
  std::int64_t revision = 0;  // Grows with every replacement: a server compares it to notice.
  std::int64_t created_unix_ms = 0;
  std::int64_t updated_unix_ms = 0;
};
Json to_json(const Deployment& deployment);

}  // namespace panal::registry
