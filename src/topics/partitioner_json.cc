// A partitioning on disk. It steers which texts train which expert, so nothing in it is believed
// unchecked.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "topics/partitioner.h"

namespace panal::topics {
namespace {

constexpr std::string_view kFormat = "panal-partitioning";
constexpr std::int64_t kMaxCount = std::int64_t{1} << 53;  // What JSON numbers hold exactly.

Status wrong(std::string_view where, std::string_view what) {
  return Status(Code::kInvalidArgument, fmt::format("{}: {}", where, what));
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && name.front() != '-' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

Json number_or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Result<std::optional<double>> optional_number(const Json& object, std::string_view key,
                                              std::string_view where) {
  if (!json_has(object, key)) return std::optional<double>();
  PANAL_ASSIGN(const double value, json_number(object, key, where, -1e9, 1e9));
  return std::optional<double>(value);
}

Result<Partition> partition_from_json(const Json& json, std::string_view where) {
  Partition made;
  PANAL_ASSIGN(made.name, json_string(json, "name", where));
  if (!is_name(made.name)) {
    return wrong(where, fmt::format("\"name\" must be lower case letters, digits and '-', found {}",
                                    json_shown(json.at("name"))));
  }
  PANAL_ASSIGN(made.title, json_string(json, "title", where));
  PANAL_ASSIGN(made.language, json_string(json, "language", where));
  PANAL_ASSIGN(made.domain, json_string(json, "domain", where));
  PANAL_ASSIGN(made.num_documents, json_integer(json, "num_documents", where, 0, kMaxCount));
  PANAL_ASSIGN(made.text_bytes, json_integer(json, "text_bytes", where, 0, kMaxCount));
  PANAL_ASSIGN(made.easy_below, optional_number(json, "easy_below", where));
  PANAL_ASSIGN(made.hard_above, optional_number(json, "hard_above", where));
  if (!json.contains("terms") || !json["terms"].is_array() || json["terms"].size() > 64) {
    return wrong(where, "\"terms\" must be an array of at most 64 words");
  }
  for (const Json& term : json["terms"]) {
    if (!term.is_string())
      return wrong(where, fmt::format("a term must be a string, found {}", json_shown(term)));
    made.terms.push_back(term.get<std::string>());
  }
  return made;
}

Result<const Json*> array_of(const Json& json, const char* key, std::string_view where) {
  if (!json_has(json, key) || !json.at(key).is_array()) {
    return wrong(where, fmt::format("\"{}\" must be an array", key));
  }
  return &json.at(key);
}

Status read_documents_part(const Json& json, std::string_view where, Partitioning& made) {
  PANAL_ASSIGN(const Json* assignments, array_of(json, "assignments", where));
  PANAL_ASSIGN(const Json* difficulty, array_of(json, "difficulty", where));
  if (difficulty->size() != assignments->size()) {
    return wrong(
        where, fmt::format("\"difficulty\" must have one entry for each of {} documents, found {}",
                           assignments->size(), difficulty->size()));
  }
  const auto num_partitions = static_cast<std::int64_t>(made.partitions.size());
  std::vector<std::int64_t> sizes(made.partitions.size(), 0);
  for (const Json& entry : *assignments) {
    const std::int64_t index = entry.is_number_integer() ? entry.get<std::int64_t>() : -1;
    if (index < 0 || index >= num_partitions) {
      return wrong(where, fmt::format("an assignment must be an index below {}, found {}",
                                      num_partitions, json_shown(entry)));
    }
    ++sizes[static_cast<std::size_t>(index)];
    made.assignments.push_back(static_cast<std::int32_t>(index));
  }
  for (std::size_t p = 0; p < sizes.size(); ++p) {
    if (sizes[p] != made.partitions[p].num_documents) {
      return wrong(
          where, fmt::format("partition \"{}\" says {} documents, but {} are assigned to it",
                             made.partitions[p].name, made.partitions[p].num_documents, sizes[p]));
    }
  }
  for (const Json& entry : *difficulty) {
    const std::int64_t value = entry.is_number_integer() ? entry.get<std::int64_t>() : -1;
    if (value < 0 || value > static_cast<std::int64_t>(Difficulty::kHard)) {
      return wrong(where, fmt::format("a difficulty must be from 0 (unknown) to 3 (hard), found {}",
                                      json_shown(entry)));
    }
    made.difficulty.push_back(static_cast<Difficulty>(value));
  }
  return Status();
}

}  // namespace

Json to_json(const Partitioning& partitioning) {
  Json json{{"format", kFormat}, {"version", 1}};
  json["partitions"] = Json::array();
  for (const Partition& partition : partitioning.partitions) {
    json["partitions"].push_back({{"name", partition.name},
                                  {"title", partition.title},
                                  {"language", partition.language},
                                  {"domain", partition.domain},
                                  {"terms", partition.terms},
                                  {"num_documents", partition.num_documents},
                                  {"text_bytes", partition.text_bytes},
                                  {"easy_below", number_or_null(partition.easy_below)},
                                  {"hard_above", number_or_null(partition.hard_above)}});
  }
  json["assignments"] = partitioning.assignments;
  json["difficulty"] = Json::array();
  for (const Difficulty difficulty : partitioning.difficulty) {
    json["difficulty"].push_back(static_cast<int>(difficulty));
  }
  json["topic_model"] = partitioning.topic_model.to_json();
  return json;
}

Result<Partitioning> partitioning_from_json(const Json& json, std::string_view where) {
  PANAL_ASSIGN(const std::string format, json_string(json, "format", where));
  if (format != kFormat) {
    return wrong(where, fmt::format("expected \"format\": \"{}\", found \"{}\"", kFormat, format));
  }
  PANAL_ASSIGN([[maybe_unused]] const std::int64_t version,
               json_integer(json, "version", where, 1, 1));
  Partitioning made;
  std::set<std::string> names;
  PANAL_ASSIGN(const Json* partitions, array_of(json, "partitions", where));
  if (partitions->size() > 256) {
    return wrong(where,
                 fmt::format("at most 256 partitions are allowed, found {}", partitions->size()));
  }
  for (const Json& entry : *partitions) {
    const std::string place = fmt::format("{}, partition {}", where, made.partitions.size());
    PANAL_ASSIGN(Partition partition, partition_from_json(entry, place));
    if (!names.insert(partition.name).second) {
      return wrong(place, fmt::format("the name \"{}\" is used twice", partition.name));
    }
    made.partitions.push_back(std::move(partition));
  }
  PANAL_TRY(read_documents_part(json, where, made));
  if (!json_has(json, "topic_model")) return wrong(where, "\"topic_model\" is missing");
  PANAL_ASSIGN(made.topic_model, TopicModel::from_json(json.at("topic_model"),
                                                       fmt::format("{}, topic_model", where)));
  for (const Topic& topic : made.topic_model.topics()) {
    if (!names.contains(topic.partition)) {
      return wrong(where, fmt::format("the topic model names \"{}\", which is not a partition",
                                      topic.partition));
    }
  }
  return made;
}

}  // namespace panal::topics
