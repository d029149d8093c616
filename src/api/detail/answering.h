// From a parsed question to bytes on the wire: whole as JSON, or as server-sent events while it
// grows.
#pragma once

#include <chrono>
#include <memory>

#include "api/answer_service.h"
#include "api/detail/call.h"
#include "api/openai_codec.h"

namespace panal::api::detail {

struct AnsweringOptions {
  std::chrono::milliseconds ping_every;  // In the silence of a stream.
};

/// Asks the service and writes its answer. A stream opens as soon as the service has admitted the
/// question, at the latest with the first text; until then an error is an HTTP status, later it is
/// an event, and the stream ends without "[DONE]".
void answer(AnswerService& service, const ApiRequest& request, const AnswerIdentity& identity,
            std::shared_ptr<Call> call, const AnsweringOptions& options);

}  // namespace panal::api::detail
