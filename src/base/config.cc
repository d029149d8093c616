#include "base/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>

namespace panal {

struct ConfigReader::Node {
  YAML::Node yaml;
  std::vector<std::string> asked;
  std::vector<std::pair<std::string, std::shared_ptr<Node>>> sections;
};

struct ConfigReader::Errors {
  std::string file;
  std::vector<std::pair<int, std::string>> found;  // Line (0 when unknown) and sentence.
};

namespace {

// Letters left out, added or changed, and neighbours that changed places.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({changed, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last.back();
}

std::string shown(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (!node.IsDefined() || node.IsNull()) return "nothing";
  return fmt::format("\"{}\"", node.Scalar().substr(0, 60));
}

template <typename T>
std::optional<T> scalar(const YAML::Node& node) {
  T value;
  if (node.IsScalar() && YAML::convert<T>::decode(node, value)) return value;
  return std::nullopt;
}

YAML::Node child(const YAML::Node& parent, std::string_view key) {
  return parent.IsMap() ? parent[std::string(key)] : YAML::Node(YAML::NodeType::Undefined);
}

/// A key that makes a mapping ambiguous.
struct UnusableKey {
  int line = 0;
  std::optional<std::string> key;  // Not there when it is no plain text.

  std::string about(std::string_view prefix) const {
    if (!key) return "a key must be plain text";
    return fmt::format("the key \"{}{}\" is given twice", prefix, *key);
  }
};

/// The first key of the mapping that is no text or was there before. Looks at this level only:
/// sections are looked at when they are asked for, so that aliases cannot make the work grow.
std::optional<UnusableKey> unusable_key(const YAML::Node& mapping) {
  std::set<std::string> seen;
  for (const auto& entry : mapping) {
    const int line = entry.first.Mark().line + 1;
    if (!entry.first.IsScalar()) return UnusableKey{line, std::nullopt};
    if (!seen.insert(entry.first.Scalar()).second) return UnusableKey{line, entry.first.Scalar()};
  }
  return std::nullopt;
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  // One slip in every four letters: "nope" is not "core", "modles" is "models".
  std::size_t best_distance = (word.size() + 2) / 4 + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

ConfigReader::ConfigReader(std::shared_ptr<Node> node, std::shared_ptr<Errors> errors,
                           std::string prefix)
    : node_(std::move(node)), errors_(std::move(errors)), prefix_(std::move(prefix)) {}

Result<ConfigReader> ConfigReader::parse(std::string_view yaml, std::string name) {
  auto node = std::make_shared<Node>();
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
    if (!documents.empty()) node->yaml = documents.front();
    // What would be read over in silence is refused; an empty one at the end holds nothing.
    for (std::size_t i = 1; i < documents.size(); ++i) {
      if (documents[i].IsNull()) continue;
      return Status(Code::kInvalidArgument,
                    fmt::format("{}:{}: expected one YAML document, found a second one (after "
                                "\"---\"): put it into a file of its own",
                                name, documents[i].Mark().line + 1));
    }
  } catch (const YAML::Exception& error) {
    return Status(Code::kInvalidArgument, fmt::format("{}:{}: expected YAML, but {}", name,
                                                      error.mark.line + 1, error.msg));
  }
  if (node->yaml.IsNull()) node->yaml = YAML::Node(YAML::NodeType::Map);
  if (!node->yaml.IsMap()) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: expected keys and values at the top, found {}", name, shown(node->yaml)));
  }
  if (const auto bad = unusable_key(node->yaml)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}:{}: {}", name, bad->line, bad->about("")));
  }
  auto errors = std::make_shared<Errors>();
  errors->file = std::move(name);
  return ConfigReader(std::move(node), std::move(errors), "");
}

bool ConfigReader::has(std::string_view key) const {
  const YAML::Node found = child(node_->yaml, key);
  return found.IsDefined() && !found.IsNull();
}

void ConfigReader::reject(std::string_view key, std::string_view reason) {
  const YAML::Node found = child(node_->yaml, key);
  const int line = found.IsDefined() ? found.Mark().line + 1 : 0;
  const auto place = line > 0 ? fmt::format("{}:{}", errors_->file, line) : errors_->file;
  errors_->found.emplace_back(line, fmt::format("{}: \"{}{}\" {}", place, prefix_, key, reason));
}

std::int64_t ConfigReader::integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                                   std::int64_t high) {
  node_->asked.emplace_back(key);
  if (!has(key)) return fallback;
  const YAML::Node found = child(node_->yaml, key);
  const auto value = scalar<std::int64_t>(found);
  if (value && *value >= low && *value <= high) return *value;
  reject(key, fmt::format("must be an integer from {} to {}, found {}", low, high, shown(found)));
  return fallback;
}

double ConfigReader::number(std::string_view key, double fallback, double low, double high) {
  node_->asked.emplace_back(key);
  if (!has(key)) return fallback;
  const YAML::Node found = child(node_->yaml, key);
  const auto value = scalar<double>(found);
  if (value && std::isfinite(*value) && *value >= low && *value <= high) return *value;
  reject(key, fmt::format("must be a number from {} to {}, found {}", low, high, shown(found)));
  return fallback;
}

bool ConfigReader::flag(std::string_view key, bool fallback) {
  node_->asked.emplace_back(key);
  if (!has(key)) return fallback;
  const YAML::Node found = child(node_->yaml, key);
  if (const auto value = scalar<bool>(found)) return *value;
  reject(key, fmt::format("must be true or false, found {}", shown(found)));
  return fallback;
}

std::string ConfigReader::text(std::string_view key, std::string fallback) {
  node_->asked.emplace_back(key);
  if (!has(key)) return fallback;
  const YAML::Node found = child(node_->yaml, key);
  if (found.IsScalar()) return found.Scalar();
  reject(key, fmt::format("must be text, found {}", shown(found)));
  return fallback;
}

std::string ConfigReader::required_text(std::string_view key) {
  std::string value = text(key, "");
  if (value.empty() && !(has(key) && !child(node_->yaml, key).IsScalar())) {
    reject(key, "is missing; it must be text that is not empty");
  }
  return value;
}

std::string ConfigReader::choice(std::string_view key, std::string fallback,
                                 const std::vector<std::string>& allowed) {
  const std::string value = text(key, fallback);
  if (std::ranges::find(allowed, value) != allowed.end()) return value;
  reject(key, fmt::format("must be one of {}, found \"{}\"", fmt::join(allowed, ", "), value));
  return fallback;
}

std::vector<std::string> ConfigReader::texts(std::string_view key,
                                             std::vector<std::string> fallback) {
  node_->asked.emplace_back(key);
  if (!has(key)) return fallback;
  const YAML::Node found = child(node_->yaml, key);
  std::vector<std::string> values;
  if (found.IsScalar()) return {found.Scalar()};
  if (!found.IsSequence()) {
    reject(key, fmt::format("must be a list of texts, found {}", shown(found)));
    return fallback;
  }
  for (const auto& item : found) {
    if (!item.IsScalar()) {
      reject(key, fmt::format("must be a list of texts, found {}", shown(item)));
      return fallback;
    }
    values.push_back(item.Scalar());
  }
  return values;
}

ConfigReader ConfigReader::section(std::string_view key) {
  node_->asked.emplace_back(key);
  auto made = std::make_shared<Node>();
  made->yaml = YAML::Node(YAML::NodeType::Map);
  const YAML::Node found = child(node_->yaml, key);
  const std::string prefix = prefix_ + std::string(key) + ".";
  if (found.IsDefined() && found.IsMap()) {
    made->yaml = found;
    if (const auto bad = unusable_key(found)) {
      errors_->found.emplace_back(
          bad->line, fmt::format("{}:{}: {}", errors_->file, bad->line, bad->about(prefix)));
    }
  } else if (has(key)) {
    reject(key, fmt::format("must be a mapping of keys and values, found {}", shown(found)));
  }
  node_->sections.emplace_back(prefix, made);
  return ConfigReader(std::move(made), errors_, prefix);
}

std::vector<ConfigReader> ConfigReader::sections(std::string_view key) {
  node_->asked.emplace_back(key);
  std::vector<ConfigReader> readers;
  if (!has(key)) return readers;
  const YAML::Node found = child(node_->yaml, key);
  if (!found.IsSequence()) {
    reject(key, fmt::format("must be a list of mappings, found {}", shown(found)));
    return readers;
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    const YAML::Node item = found[i];
    if (!item.IsMap()) {
      reject(key, fmt::format("must be a list of mappings, found {}", shown(item)));
      return readers;
    }
    auto made = std::make_shared<Node>();
    made->yaml = item;
    const std::string prefix = fmt::format("{}{}[{}].", prefix_, key, i);
    if (const auto bad = unusable_key(item)) {
      errors_->found.emplace_back(
          bad->line, fmt::format("{}:{}: {}", errors_->file, bad->line, bad->about(prefix)));
    }
    node_->sections.emplace_back(prefix, made);
    readers.push_back(ConfigReader(std::move(made), errors_, prefix));
  }
  return readers;
}

Status ConfigReader::finish() const {
  auto found = errors_->found;
  const auto collect_unknown = [&](const auto& self, const Node& node,
                                   const std::string& prefix) -> void {
    for (const auto& entry : node.yaml) {
      if (!entry.first.IsScalar()) continue;
      const std::string key = entry.first.Scalar();
      if (std::ranges::find(node.asked, key) != node.asked.end()) continue;
      const std::string near = nearest_word(key, node.asked);
      const int line = entry.first.Mark().line + 1;
      found.emplace_back(
          line,
          fmt::format("{}:{}: unknown key \"{}{}\"{}", errors_->file, line, prefix, key,
                      near.empty() ? fmt::format("; known keys: {}", fmt::join(node.asked, ", "))
                                   : fmt::format("; did you mean \"{}\"?", near)));
    }
    for (const auto& [name, section] : node.sections) self(self, *section, name);
  };
  collect_unknown(collect_unknown, *node_, prefix_);
  if (found.empty()) return Status();
  // What is missing has no line: it may follow from a mistake that has one, so it comes last.
  const auto place = [](const auto& error) {
    return error.first > 0 ? error.first : std::numeric_limits<int>::max();
  };
  const auto first = std::ranges::min_element(found, {}, place);
  return Status(Code::kInvalidArgument, first->second);
}

}  // namespace panal
