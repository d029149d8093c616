// From a parsed question to bytes on the wire: whole as JSON, or as server-sent events while it
// grows.
#pragma once

#include <string>

#include "api/answer_service.h"
#include "api/detail/metrics.h"
#include "api/openai_codec.h"
#include "base/clock.h"
#include "net/http_server.h"

namespace panal::api::detail {

/// Writes an error as the whole answer.
void send_error(net::ResponseWriter& writer, const ApiError& error, net::HttpHeaders headers = {});
void send_json(net::ResponseWriter& writer, int status, const Json& body,
               net::HttpHeaders headers = {});

/// Asks the service and writes its answer. Before the first text an error is an HTTP status; later
/// it is an event, and the stream ends without "[DONE]". Returns the status that was sent, 499 when
/// the client left.
int answer(AnswerService& service, const ApiRequest& request, const AnswerIdentity& identity,
           net::ResponseWriter& writer, Metrics& metrics, Clock& clock);

}  // namespace panal::api::detail
