// A job as its file has it. What a kind of job is to do is a type of its own, with its name as
// kKind and what it ends with as Outcome; check_jobs.h, evaluation_jobs.h, training_jobs.h,
// benchmark_jobs.h and generation.h have them.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "work/codec.h"

namespace panal::work {

template <typename T>
concept Job = requires {
  { T::kKind } -> std::convertible_to<std::string_view>;
  typename T::Outcome;
};

/// The place of one process among those that do a job together.
struct GroupPlace {
  std::int64_t rank = 0;  // 0 to size - 1.
  std::int64_t size = 1;
  std::string address{};  // Where rank 0 listens, as swarm::GroupOptions has it.
  std::string token{};    // What the ranks know each other by.
};

/// What a process that does a job finds in job.json.
struct JobFile {
  std::string kind{};
  Json spec = Json::object();  // A document of the kind's type.
  std::optional<GroupPlace> group{};
};

}  // namespace panal::work
