#include "cli/ask_client.h"

#include <fmt/format.h>

#include "net/http_client.h"
#include "net/stream_parsers.h"

namespace panal::cli {
namespace {

std::string shown_number(const Json& object, const char* key, std::string_view unit) {
  if (!json_has(object, key) || !object.at(key).is_number()) return fmt::format("{} unknown", unit);
  return fmt::format("{:.3g} {}", object.at(key).get<double>(), unit);
}

Status status_of(const net::ClientResponse& response) {
  const auto body = parse_json(response.body, "answer of the hub");
  std::string message = fmt::format("the hub answered with status {}", response.status);
  if (body.ok() && json_has(*body, "error") && body->at("error").is_object())
    message = body->at("error").value("message", message);
  return Status(response.status == 404  ? Code::kNotFound
                : response.status < 500 ? Code::kInvalidArgument
                                        : Code::kUnavailable,
                message);
}

// Takes one event of the stream into the answer.
Status take_event(std::string_view data, Json& answer, const OnText& on_text) {
  if (data == "[DONE]") return Status();
  PANAL_ASSIGN(const Json event, parse_json(data, "event of the hub"));
  if (json_has(event, "error"))
    return Status(Code::kUnavailable, event.at("error").value("message", "the answer broke off"));
  if (json_has(event, "usage")) answer["usage"] = event.at("usage");
  if (json_has(event, "panal")) answer["panal"] = event.at("panal");
  if (!json_has(event, "choices") || !event.at("choices").is_array() || event.at("choices").empty())
    return Status();
  const Json& choice = event.at("choices").front();
  if (json_has(choice, "finish_reason")) answer["finish_reason"] = choice.at("finish_reason");
  if (json_has(choice, "delta") && json_has(choice.at("delta"), "content")) {
    const std::string piece = choice.at("delta").value("content", "");
    answer["text"].get_ref<std::string&>() += piece;
    if (on_text) return on_text(piece);
  }
  return Status();
}

// OpenAI's clients want the base URL with /v1, which `panal up` prints; this one knows the paths.
std::string_view address_of(std::string_view url) {
  const auto drop_slashes = [&] {
    while (url.ends_with('/') && !url.ends_with("//")) url.remove_suffix(1);
  };
  drop_slashes();
  if (url.ends_with("/v1")) url.remove_suffix(3);
  drop_slashes();
  return url;
}

}  // namespace

Result<Json> ask_hub(const Question& question, const OnText& on_text, std::stop_token stop) {
  PANAL_ASSIGN(const auto endpoint, net::parse_endpoint(address_of(question.url)));
  Json body = {{"model", question.model},
               {"messages", Json::array({{{"role", "user"}, {"content", question.text}}})},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}}};
  if (question.max_tokens) body["max_tokens"] = *question.max_tokens;
  if (question.temperature) body["temperature"] = *question.temperature;
  const net::HttpClient client(endpoint, {.idle_deadline = std::chrono::minutes(10)});
  Json answer = {{"text", ""}};
  Status taken;
  net::ServerSentEventParser events;
  const auto response = client.stream(
      {.method = "POST",
       .target = "/v1/chat/completions",
       .headers = {{"Content-Type", "application/json"}},
       .body = to_line(body)},
      [&](std::string_view chunk) {
        const Status parsed = events.push(chunk, [&](const net::ServerSentEvent& event) {
          taken = take_event(event.data, answer, on_text);
          return taken.ok();
        });
        if (taken.ok() && !parsed.ok()) taken = parsed;
        return taken.ok();
      },
      stop);
  if (!taken.ok()) return taken;
  if (!response.ok()) {
    if (response.code() != Code::kUnavailable) return response.status();
    return Status(Code::kUnavailable,
                  fmt::format("no hub answers at {}: {}. Start one with: panal up", question.url,
                              response.status().message()));
  }
  if (response->status >= 400) return status_of(*response);
  return answer;
}

void print_trace(const Json& trace, Terminal& terminal) {
  if (!trace.is_object() || !json_has(trace, "parts")) return;
  for (const Json& part : trace.at("parts")) {
    std::string line =
        fmt::format("route: {} ({})  {}", part.value("expert", "unknown"), part.value("why", ""),
                    shown_number(part, "tokens_per_s", "tokens/s"));
    if (json_has(part, "fallback"))
      line += fmt::format("  fallback: {}", part.value("fallback", ""));
    terminal.note(line);
  }
  if (!json_has(trace, "totals")) return;
  const Json& totals = trace.at("totals");
  terminal.note(fmt::format("energy: {} ({})  carbon: {}", shown_number(totals, "joules", "J"),
                            totals.value("method", "unknown"),
                            shown_number(totals, "gco2", "gCO2")));
}

}  // namespace panal::cli
