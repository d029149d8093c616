// What the HTTP surface needs from whoever answers. The room decides nothing itself: it reads a
// request, asks this interface, and writes down what comes back.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace panal::api {

struct ModelEntry {
  std::string id;  // What callers write into "model".
  std::int64_t created_unix_s = 0;
  std::string owned_by = "panal";
  Json details =
      Json::object();  // Becomes the entry's "panal" object: experts, versions, context length.
};

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"; "developer" arrives as "system".
  std::string content;
};

struct AnswerRequest {
  std::string request_id = {};  // Also in the answer's id and in the header x-panal-request-id.
  std::string model = {};
  bool is_chat = true;                     // Else `prompt` is to be continued as plain text.
  std::vector<ChatMessage> messages = {};  // Of a chat; at least one.
  std::string prompt = {};                 // Of a plain completion.

  // Unset: the service's own default.
  std::optional<std::int64_t> max_tokens = {};  // 1 and more.
  std::optional<double> temperature = {};       // 0 to 2.
  std::optional<double> top_p = {};             // Over 0, at most 1.
  std::optional<std::int64_t> top_k = {};       // 1 and more.
  std::optional<std::uint64_t> seed = {};
  std::vector<std::string> stop = {};  // At most 4, none empty.

  std::string route = {};          // "" for auto, else "core" or an expert's name.
  std::optional<bool> split = {};  // False: never split into parts.
  std::optional<bool> panel = {};  // True: several experts answer, one answer is chosen.
};

struct AnswerSummary {
  std::string finish_reason = "stop";  // "stop" or "length".
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  Json trace = Json::object();  // Becomes the answer's "panal" object.
};

/// Receives an answer as it grows: one call at a time, threads may differ.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  /// At most once, before any text: who will answer ("core", "legal", "legal,spanish"): becomes the
  /// header x-panal-route. Without it the header says what the request asked for.
  virtual void route(std::string_view route) = 0;
  /// At most once, after route() and before any text: the question was checked and has its place,
  /// so that what goes wrong from now on is a fault of the answer, not of the question. A stream
  /// opens here. Whoever cannot tell leaves it out.
  virtual void admitted() {}
  /// False: nobody listens any more; stop working.
  virtual bool text(std::string_view delta) = 0;
};

/// Called from many threads at once.
class AnswerService {
 public:
  virtual ~AnswerService() = default;
  virtual std::vector<ModelEntry> models() = 0;
  /// For /readyz: ok when questions can be answered now; else the reason.
  virtual Status ready() { return Status(); }
  /// Blocks until the answer is whole; ends soon with kCancelled when `stop` is requested (the
  /// caller of the API has gone). Errors become HTTP statuses by api_error(): kNotFound 404,
  /// kInvalidArgument 400 (a message about the "context" gets the code context_length_exceeded),
  /// kResourceExhausted 429, kUnavailable 503, ...
  virtual Result<AnswerSummary> answer(const AnswerRequest& request, AnswerSink& sink,
                                       std::stop_token stop) = 0;
};

}  // namespace panal::api
