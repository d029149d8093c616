#include "cli/ask_client.h"

#include <fmt/format.h>

#include "net/http_client.h"
#include "net/stream_parsers.h"

namespace panal::cli {
namespace {

std::string shown(const std::optional<double>& number, std::string_view unit) {
  return number ? fmt::format("{:.3g} {}", *number, unit) : fmt::format("{} unknown", unit);
}

constexpr char kWhere[] = "answer of the hub";

// What the hub says of its error, which may be anybody's answer.
std::string told_by(const Json& error, const std::string& otherwise) {
  auto message = json_string(error, "message", kWhere);
  return message.ok() ? *std::move(message) : otherwise;
}

Status status_of(const net::ClientResponse& response) {
  const auto body = parse_json(response.body, "answer of the hub");
  std::string message = fmt::format("the hub answered with status {}", response.status);
  if (body.ok() && json_has(*body, "error")) message = told_by(body->at("error"), message);
  return Status(response.status == 404  ? Code::kNotFound
                : response.status < 500 ? Code::kInvalidArgument
                                        : Code::kUnavailable,
                message);
}

// Takes one event of the stream into the answer.
Status take_event(std::string_view data, HubAnswer& answer, const OnText& on_text) {
  if (data == "[DONE]") return Status();
  PANAL_ASSIGN(const Json event, parse_json(data, "event of the hub"));
  if (json_has(event, "error"))
    return Status(Code::kUnavailable, told_by(event.at("error"), "the answer broke off"));
  if (json_has(event, "usage")) {
    const Json& usage = event.at("usage");
    PANAL_ASSIGN(answer.prompt_tokens, json_integer(usage, "prompt_tokens", kWhere, 0, INT64_MAX));
    PANAL_ASSIGN(answer.completion_tokens,
                 json_integer(usage, "completion_tokens", kWhere, 0, INT64_MAX));
  }
  if (json_has(event, "panal")) {
    PANAL_ASSIGN(answer.trace, work::from_json<work::Trace>(event.at("panal"), kWhere));
  }
  if (!json_has(event, "choices") || !event.at("choices").is_array() || event.at("choices").empty())
    return Status();
  const Json& choice = event.at("choices").front();
  if (json_has(choice, "finish_reason")) {
    PANAL_ASSIGN(answer.finish_reason, json_string(choice, "finish_reason", kWhere));
  }
  if (json_has(choice, "delta") && json_has(choice.at("delta"), "content")) {
    PANAL_ASSIGN(const std::string piece, json_string(choice.at("delta"), "content", kWhere));
    answer.text += piece;
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

Json to_json(const HubAnswer& answer) {
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  return {{"text", answer.text},
          {"finish_reason", answer.finish_reason},
          {"usage",
           {{"prompt_tokens", or_null(answer.prompt_tokens)},
            {"completion_tokens", or_null(answer.completion_tokens)}}},
          {"panal", answer.trace ? work::to_json(*answer.trace) : Json(nullptr)}};
}

Result<HubAnswer> ask_hub(const Question& question, const OnText& on_text, std::stop_token stop) {
  PANAL_ASSIGN(const auto endpoint, net::parse_endpoint(address_of(question.url)));
  Json body = {{"model", question.model},
               {"messages", Json::array({{{"role", "user"}, {"content", question.text}}})},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}}};
  if (question.max_tokens) body["max_tokens"] = *question.max_tokens;
  if (question.temperature) body["temperature"] = *question.temperature;
  if (question.seed) body["seed"] = *question.seed;
  const net::HttpClient client(endpoint, {.idle_deadline = std::chrono::minutes(10)});
  HubAnswer answer;
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

void print_trace(const work::Trace& trace, Terminal& terminal) {
  for (const work::PartTrace& part : trace.parts) {
    std::string line = fmt::format("route: {} ({})  {}", part.expert, part.why,
                                   shown(part.tokens_per_s, "tokens/s"));
    if (part.fallback) line += fmt::format("  fallback: {}", *part.fallback);
    terminal.note(line);
  }
  terminal.note(fmt::format("energy: {} ({})  carbon: {}", shown(trace.totals.energy.joules, "J"),
                            trace.totals.energy.method, shown(trace.totals.gco2, "gCO2")));
}

}  // namespace panal::cli
