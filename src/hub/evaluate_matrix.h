// Perplexity of a core and of its experts on each partition's held-out documents, and what follows
// from it: an expert earns "ready" by beating the core at home.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "hub/hive.h"
#include "registry/model_version.h"
#include "work/evaluation_jobs.h"

namespace panal::hub {

struct EvaluateMatrix {
  std::string core{};  // Registered base model.
  /// Registered adapters; none: every one that was trained over the core on this partitioning.
  std::vector<std::string> experts{};
  std::int64_t partitioning = 0;
  std::int64_t context = 256;
  std::int64_t max_tokens = 4096;
};

struct JudgedExpert {
  registry::ModelVersion model{};  // As it was before.
  std::string home{};              // Label of its own partition.
  bool beats_core = false;         // There.
};

struct Matrix {
  std::string core{};
  std::int64_t context = 0;
  std::vector<std::string> partitions{};            // Those with held-out documents, in order.
  std::vector<work::TextEvaluation> evaluations{};  // A cell each.
  std::vector<JudgedExpert> experts{};

  /// The perplexity in a cell; `adapter` is an expert's name or "" for the core. Empty: unknown.
  std::optional<double> perplexity(const std::string& adapter, const std::string& partition) const;
};
Json to_json(const Matrix& matrix);

/// Every figure is written down as a check of its expert; one that beats the core on its own
/// partition becomes ready and preferred. Errors: kInvalidArgument when the core is no registered
/// base model or an expert is another core's, kNotFound for what is named; those of the job.
Result<Matrix> evaluate_matrix(Hive& hive, const EvaluateMatrix& request, const Watch& watch);

}  // namespace panal::hub
