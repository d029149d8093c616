// A question to a hub over HTTP, as any OpenAI client would send it: streamed text, then the trace.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "cli/terminal.h"
#include "work/trace.h"

namespace panal::cli {

struct Question {
  std::string url = "http://127.0.0.1:7070";  // With or without /v1.
  std::string text;
  std::string model = "auto";
  std::optional<std::int64_t> max_tokens{};
  std::optional<double> temperature{};
  std::optional<std::int64_t> seed{};
};

/// Gets a piece of the answer; an error ends the question, which then fails with it.
using OnText = std::function<Status(std::string_view)>;

struct HubAnswer {
  std::string text{};
  std::string finish_reason{};
  std::optional<std::int64_t> prompt_tokens{}, completion_tokens{};  // Unknown where not told.
  std::optional<work::Trace> trace{};
};
Json to_json(const HubAnswer& answer);

/// The whole answer; on_text gets the pieces as they come. Errors: kUnavailable when no hub listens
/// at the url (says how to start one); what the hub said; what on_text said.
Result<HubAnswer> ask_hub(const Question& question, const OnText& on_text, std::stop_token stop);

/// The trace for a person: a line per part (who, why, speed) and one for energy and carbon.
void print_trace(const work::Trace& trace, Terminal& terminal);

}  // namespace panal::cli
