// From a parsed question to bytes on the wire: whole as JSON, or as server-sent events while it
// grows.
#pragma once

#include <chrono>
#include <memory>

#include "api/detail/call.h"
#include "api/openai_codec.h"
#include "hub/answer_service.h"

namespace panal::api::detail {

struct AnsweringOptions {
  std::chrono::milliseconds ping_every;  // In the silence of a stream.
};

/// Asks the service, which outlives the answer, and returns; the answer is written as it comes. A
/// stream opens as soon as the service has admitted the question, at the latest with the first
/// text; until then an error is an HTTP status, later it is an event, and the stream ends without
/// "[DONE]". `ended` is called once, when the answer is over.
void answer(hub::AnswerService& service, ApiRequest request, const AnswerIdentity& identity,
            std::shared_ptr<Call> call, const AnsweringOptions& options,
            std::function<void()> ended);

}  // namespace panal::api::detail
