#include "api/api_error.h"

#include <fmt/format.h>

namespace panal::api {

ApiError bad_request(std::string message, std::optional<std::string> param,
                     std::optional<std::string> code) {
  return {.status = 400,
          .message = std::move(message),
          .type = "invalid_request_error",
          .param = std::move(param),
          .code = std::move(code)};
}

ApiError model_not_found(std::string_view model) {
  return {
      .status = 404,
      .message = fmt::format("The model `{}` does not exist; GET /v1/models lists those that do.",
                             model.substr(0, 200)),
      .type = "invalid_request_error",
      .param = "model",
      .code = "model_not_found"};
}

ApiError api_error(const Status& status) {
  const std::string& message = status.message();
  switch (status.code()) {
    case Code::kInvalidArgument: {
      const auto exceeded = work::context_exceeded_in(message);
      if (!exceeded) return bad_request(message);
      ApiError error = bad_request(message, "messages", "context_length_exceeded");
      error.context = exceeded;
      return error;
    }
    case Code::kUnsupported:
      return bad_request(message, std::nullopt, "unsupported");
    case Code::kNotFound:
      return {404, message, "invalid_request_error", std::nullopt, "not_found"};
    case Code::kConflict:
      return {409, message, "invalid_request_error", std::nullopt, "conflict"};
    case Code::kResourceExhausted:
      return {429, message, "rate_limit_error", std::nullopt, "overloaded"};
    case Code::kUnavailable:
      return {503, message, "server_error", std::nullopt, "unavailable"};
    case Code::kDeadlineExceeded:
      return {504, message, "server_error", std::nullopt, "timeout"};
    case Code::kCancelled:
      return {499, message, "server_error", std::nullopt, "cancelled"};
    case Code::kOk:
    case Code::kCorrupt:
    case Code::kInternal:
      break;
  }
  return {500, message, "server_error", std::nullopt, std::string(code_name(status.code()))};
}

ApiError api_error_for_http(int status, std::string_view message) {
  ApiError error{.status = status, .message = std::string(message)};
  if (status < 500) error.type = "invalid_request_error";
  switch (status) {
    case 404:
      error.code = "unknown_url";
      break;
    case 405:
      error.code = "method_not_allowed";
      break;
    case 408:
      error.code = "timeout";
      break;
    case 413:
      error.code = "request_too_large";
      break;
    case 431:
      error.code = "headers_too_large";
      break;
    case 503:
      error.code = "overloaded";
      break;
    default:
      break;
  }
  return error;
}

Json to_json(const ApiError& error) {
  const auto text_or_null = [](const std::optional<std::string>& text) {
    return text ? Json(*text) : Json(nullptr);
  };
  Json members = {{"message", error.message},
                  {"type", error.type},
                  {"param", text_or_null(error.param)},
                  {"code", text_or_null(error.code)}};
  if (error.context) {
    members["n_prompt_tokens"] = error.context->prompt_tokens;
    members["n_ctx"] = error.context->context_tokens;
  }
  return Json{{"error", std::move(members)}};
}

}  // namespace panal::api
