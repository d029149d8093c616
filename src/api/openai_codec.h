// OpenAI's wire format, both ways: requests are read strictly where we act on a member, tolerantly
// where a stock client adds one we do not know; answers and chunks have the members that clients
// look for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/api_error.h"
#include "base/json.h"
#include "hub/answer_service.h"
#include "work/generation.h"

namespace panal::api {

/// One request of a client: a chat, or a completion of one or several prompts.
struct ApiRequest {
  /// One or more, those of one prompt together; request_id is left to the caller.
  std::vector<work::Generation> generations{};
  std::size_t choices_per_prompt = 1;  // "n".
  bool is_chat = true;
  bool is_streamed = false;
  bool include_usage = false;  // stream_options.include_usage.
};

/// Reads the body of POST /v1/chat/completions. Supported: model (or the default), messages
/// (system, developer, user, assistant, tool; content a string, a list of text parts or, but for
/// users, nothing), max_tokens or max_completion_tokens (-1: no limit), temperature, top_p, top_k,
/// min_p, seed (-1: another one each time), frequency_penalty, presence_penalty,
/// repetition_penalty (repeat_penalty), logit_bias, stop, min_tokens, ignore_eos, n,
/// logprobs, top_logprobs, stream, stream_options, and the object "panal": {"route", "split",
/// "panel"}, which is read strictly. What would change the answer and cannot be done (tools,
/// grammars, ...) is an error that names the member; unknown members are ignored.
std::variant<ApiRequest, ApiError> parse_chat_request(std::string_view body);
/// Reads the body of POST /v1/completions: prompt is a string, token ids, a list of either, or
/// missing (the model goes on from nothing); add_special_tokens false leaves it as plain
/// characters. Without max_tokens 16, as OpenAI documents it.
std::variant<ApiRequest, ApiError> parse_completion_request(std::string_view body);

/// What all parts of one answer share.
struct AnswerIdentity {
  std::string id;  // "chatcmpl-..." or "cmpl-...".
  std::int64_t created_unix_s = 0;
  std::string model;
  bool is_chat = true;
  std::size_t choices_per_prompt = 1;
  bool has_logprobs = false;  // They were asked for.
};

struct AnsweredPrompt {
  std::string text{};
  hub::AnswerSummary summary{};
};

/// A whole answer, one choice for each generation: object "chat.completion" or "text_completion",
/// with usage and the trace in "panal" (of several choices: a list of traces in "panal.answers").
/// Usage counts each prompt once, whatever the number of its choices.
Json answer_json(const AnswerIdentity& identity, const std::vector<AnsweredPrompt>& answers);
/// The first chunk of a chat's choice, with the role; plain completions have none.
Json role_chunk(const AnswerIdentity& identity, std::size_t index);
/// `index`: of the choice.
Json text_chunk(const AnswerIdentity& identity, std::size_t index, std::string_view delta);
/// The last chunk of a choice: finish_reason, the log probabilities of all its tokens when they
/// were asked for, and the trace in "panal".
Json finish_chunk(const AnswerIdentity& identity, std::size_t index,
                  const hub::AnswerSummary& summary);
/// Empty choices and usage: what stream_options.include_usage asks for.
Json usage_chunk(const AnswerIdentity& identity, const std::vector<AnsweredPrompt>& answers);

Json model_json(const hub::ModelEntry& model);
Json model_list_json(const std::vector<hub::ModelEntry>& models);
/// OpenAI's page of the chat answers that "store" kept: always empty, since none is kept here.
Json stored_answers_json();

/// "data: {...}\n\n".
std::string sse_event(const Json& data);
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

}  // namespace panal::api
