// Jobs that measure how good a model is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "work/codec.h"
#include "work/generation.h"

namespace panal::work {

/// A text under a name that figures are told by.
struct NamedText {
  std::string name{};
  std::filesystem::path path{};
};

/// One adapter's, or the core's, on one text.
struct TextEvaluation {
  std::string adapter{};  // "": the core alone.
  std::string text{};
  std::int64_t tokens = 0;             // Scored ones.
  std::optional<double> loss{};        // Nats per token; unknown where it is no number.
  std::optional<double> perplexity{};  // Unknown where it is more than a double holds.
  std::optional<double> bits_per_byte{};
};
struct TextEvaluations {
  std::int64_t context = 0;
  std::vector<TextEvaluation> evaluations{};  // The core's first, then by adapter.
};

/// The loss of a core and of every adapter over it on every text.
struct EvaluateTextsJob {
  static constexpr char kKind[] = "evaluate";
  using Outcome = TextEvaluations;
  std::filesystem::path model{};
  std::vector<AdapterFolder> adapters{};
  std::vector<NamedText> texts{};  // At least one.
  std::int64_t context = 0;        // Tokens of a window; 2 or more.
  std::int64_t max_tokens = 0;     // Of each text; 0: all.
};

/// A share of items and its standard error, which a single item has none of.
struct Accuracy {
  double mean = 0;
  std::optional<double> standard_error{};
};
/// By lm-evaluation-harness's three rules.
struct ChoiceAccuracies {
  std::int64_t items = 0;
  Accuracy acc{}, acc_norm{}, acc_bytes{};
};
struct ChoiceSummary {
  ChoiceAccuracies all{};
  /// By subject, and the means over subjects; of tasks that have any.
  std::map<std::string, ChoiceAccuracies> subjects{};
  std::optional<double> macro_acc{}, macro_acc_norm{};
};

/// A file of questions.
struct ChoiceTask {
  std::filesystem::path path{};
  std::string format{};                               // "hellaswag", "arc", "mmlu" or "choices".
  std::int64_t shots = 0;                             // Solved examples before each question.
  std::optional<std::filesystem::path> shots_path{};  // Unset: from the questions' file.
  std::int64_t limit = 0;                             // The first so many questions; 0: all.
};

/// Accuracy on multiple choice.
struct EvaluateChoicesJob {
  static constexpr char kKind[] = "choices";
  using Outcome = ChoiceSummary;
  std::filesystem::path model{};
  std::optional<std::filesystem::path> adapter{};
  ChoiceTask task{};
  std::int64_t context = 0;                        // Most tokens of a prompt; 0: the model's.
  std::optional<std::filesystem::path> details{};  // A file to write, a line per question.
};

struct DocumentLosses {
  /// Nats per token of each document; unknown of one that is too short.
  std::vector<std::optional<double>> losses{};
};

/// The core's loss on each document of a dataset.
struct DocumentLossesJob {
  static constexpr char kKind[] = "losses";
  using Outcome = DocumentLosses;
  std::filesystem::path model{};
  std::filesystem::path dataset{};
  std::int64_t max_tokens_per_document = 0;  // 2 or more.
};

}  // namespace panal::work
