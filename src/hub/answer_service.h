// Who answers requests for text: what the HTTP surface asks, and what a hub is to it. The same
// interface has a second form in tests.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "work/generation.h"
#include "work/trace.h"

namespace panal::hub {

/// One of an endpoint's experts, as it is listed.
struct ListedExpert {
  std::string name{};
  std::string label{};
  std::string version{};
};

/// A name that callers may write into "model", and what stands behind it.
struct ModelEntry {
  enum class Kind { kAuto, kGroup, kCore, kExpert };
  std::string id{};
  Kind kind = Kind::kGroup;
  std::int64_t created_unix_s = 0;
  std::string endpoint{};               // Whose part it is.
  std::string version{};                // Of the model: "smollm2@1".
  std::string label{};                  // Of an expert.
  std::vector<ListedExpert> experts{};  // Of a group.
  bool is_default = false;
};

struct AnswerSummary {
  work::FinishReason finish_reason = work::FinishReason::kStop;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::vector<work::TokenLogprobs> logprobs{};  // Of each token, when asked for.
  work::Trace trace{};
};

/// Receives an answer as it grows: one call at a time, threads may differ. Must return soon and not
/// throw.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  /// At most once, before any text: who will answer ("core", "legal", "legal,spanish").
  virtual void route(std::string_view route) = 0;
  /// At most once, after route() and before any text: the question was checked and has its place,
  /// so that what goes wrong from now on is a fault of the answer, not of the question. Whoever
  /// cannot tell leaves it out.
  virtual void admitted() {}
  /// False: nobody listens any more; stop working.
  virtual bool text(std::string_view delta) = 0;
  /// Exactly once, last.
  virtual void done(Result<AnswerSummary> outcome) = 0;
};

/// Called from many threads at once.
class AnswerService {
 public:
  virtual ~AnswerService() = default;
  virtual std::vector<ModelEntry> models() = 0;
  /// Ok when questions are answered now; else the reason.
  virtual Status ready() { return Status(); }
  /// Returns soon; the answer comes through the sink, which is shared with whoever works on it. A
  /// requested stop (the caller has gone) ends it soon, with kCancelled. Errors: kNotFound (model
  /// or expert), kInvalidArgument (the request), kResourceExhausted (too much at once),
  /// kUnavailable (a fault of ours: the model cannot be served now).
  virtual void answer(work::Generation request, std::shared_ptr<AnswerSink> sink,
                      std::stop_token stop) = 0;
};

}  // namespace panal::hub
