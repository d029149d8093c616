// Errors as OpenAI's clients expect them, and the one place where panal's codes become HTTP
// statuses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "work/context_error.h"

namespace panal::api {

struct ApiError {
  int status = 500;
  std::string message;
  std::string type = "server_error";
  std::optional<std::string> param = {};
  std::optional<std::string> code = {};
  std::optional<work::ContextExceeded> context = {};  // Also as members n_ctx and n_prompt_tokens.
};

/// 400 invalid_request_error about the member `param`.
ApiError bad_request(std::string message, std::optional<std::string> param = std::nullopt,
                     std::optional<std::string> code = std::nullopt);
ApiError model_not_found(std::string_view model);

/// status:  kInvalidArgument, kUnsupported 400; kNotFound 404; kConflict 409; kResourceExhausted
/// 429;
///          kUnavailable 503; kDeadlineExceeded 504; kCancelled 499; the rest 500.
ApiError api_error(const Status& status);
/// For what the HTTP server finds by itself: 400, 404, 405, 408, 413, 431, 503, ...
ApiError api_error_for_http(int status, std::string_view message);

/// {"error": {"message", "type", "param", "code"}}; param and code are null when unknown. A prompt
/// over the context has both counts beside them.
Json to_json(const ApiError& error);

}  // namespace panal::api
