// OpenAI's wire format, both ways: requests are read strictly where we act on a member, tolerantly
// where a stock client adds one we do not know; answers and chunks have the members that clients
// look for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/answer_service.h"
#include "api/api_error.h"
#include "base/json.h"

namespace panal::api {

struct ApiRequest {
  AnswerRequest answer;  // request_id is left for the caller to fill.
  bool is_streamed = false;
  bool include_usage = false;  // stream_options.include_usage.
};

/// Reads the body of POST /v1/chat/completions. Supported: model, messages (system, developer,
/// user, assistant; content a string or a list of text parts), max_tokens or max_completion_tokens,
/// temperature, top_p, top_k, stop, seed, stream, stream_options, and the object "panal": {"route",
/// "split", "panel"}, which is read strictly. What would change the answer and cannot be done (n
/// over 1, logprobs, tools, penalties, response_format, ...) is an error that names the member;
/// unknown members are ignored.
std::variant<ApiRequest, ApiError> parse_chat_request(std::string_view body);
/// Reads the body of POST /v1/completions: prompt is a string or a list of one string.
std::variant<ApiRequest, ApiError> parse_completion_request(std::string_view body);

/// What all parts of one answer share.
struct AnswerIdentity {
  std::string id;  // "chatcmpl-..." or "cmpl-...".
  std::int64_t created_unix_s = 0;
  std::string model;
  bool is_chat = true;
};

/// A whole answer: object "chat.completion" or "text_completion", with usage and the trace in
/// "panal".
Json answer_json(const AnswerIdentity& identity, std::string_view text,
                 const AnswerSummary& summary);
/// The first chunk of a chat, with the role; plain completions have none.
Json role_chunk(const AnswerIdentity& identity);
Json text_chunk(const AnswerIdentity& identity, std::string_view delta);
/// The last chunk with a choice: finish_reason, and the trace in "panal".
Json finish_chunk(const AnswerIdentity& identity, const AnswerSummary& summary);
/// Empty choices and usage: what stream_options.include_usage asks for.
Json usage_chunk(const AnswerIdentity& identity, const AnswerSummary& summary);

Json model_json(const ModelEntry& model);
Json model_list_json(const std::vector<ModelEntry>& models);

/// "data: {...}\n\n".
std::string sse_event(const Json& data);
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

}  // namespace panal::api
