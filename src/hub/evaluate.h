// How good a model is: perplexity on a text, accuracy on multiple choice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "hub/hive.h"
#include "work/evaluation_jobs.h"

namespace panal::hub {

struct EvaluateText {
  std::string model{};  // A registered name or a path.
  std::string data{};   // A text file; used as it is, without special tokens.
  std::int64_t context = 256;
  std::int64_t max_tokens = 0;  // 0: all.
};

struct TextScore {
  std::string model{};
  work::TextEvaluation figures{};
  std::int64_t context = 0;
};
/// {"model", "tokens", "loss", "perplexity", "bits_per_byte", "context"}.
Json to_json(const TextScore& score);

/// Errors: kNotFound for the model or the text; those of the job.
Result<TextScore> evaluate_text(Hive& hive, const EvaluateText& request, const Watch& watch);

struct EvaluateChoices {
  std::string model{};
  std::string tasks{};   // A JSONL file of questions.
  std::string format{};  // "hellaswag", "arc", "mmlu" or "choices".
  std::int64_t shots = 0;
  std::string shots_file{};
  std::int64_t limit = 0;                 // 0: all questions.
  std::optional<std::int64_t> context{};  // Empty: the model's.
  bool wants_details = false;
};

struct ChoiceScores {
  std::string model{};
  work::ChoiceSummary figures{};
  std::string details{};  // JSON lines, one per question, when they were wanted.
};

/// Errors: as evaluate_text.
Result<ChoiceScores> evaluate_choices(Hive& hive, const EvaluateChoices& request,
                                      const Watch& watch);

}  // namespace panal::hub
