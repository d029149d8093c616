#include "chat/trial.h"

#include <fmt/format.h>

namespace panal::chat {
namespace {

constexpr std::string_view kQuestion = "What is seven times six?";
constexpr std::string_view kAnswer = "Seven times six is forty-two.";
constexpr std::string_view kSecondQuestion = "And eight times six?";
constexpr std::string_view kSystem = "Answer in one sentence.";
constexpr std::string_view kTool = "multiply_numbers";
constexpr std::string_view kToolResult = "product-is-42";

Json message(std::string_view role, std::string_view content) {
  return {{"role", role}, {"content", content}};
}

Json tools() {
  const Json number = {{"type", "number"}, {"description", "A factor"}};
  return Json::array({{{"type", "function"},
                       {"function",
                        {{"name", kTool},
                         {"description", "Multiplies two numbers."},
                         {"parameters",
                          {{"type", "object"},
                           {"properties", {{"a", number}, {"b", number}}},
                           {"required", {"a", "b"}}}}}}}});
}

// A call of the tool and its result, as clients send them: the assistant says nothing beside.
Json tool_conversation() {
  const Json call = {{"id", "call00001"},
                     {"type", "function"},
                     {"function", {{"name", kTool}, {"arguments", {{"a", 7}, {"b", 6}}}}}};
  return Json::array({message("user", kQuestion),
                      {{"role", "assistant"}, {"content", ""}, {"tool_calls", Json::array({call})}},
                      {{"role", "tool"},
                       {"tool_call_id", "call00001"},
                       {"name", kTool},
                       {"content", kToolResult}}});
}

// One conversation, and what its prompt must hold.
struct Outcome {
  bool is_good = false;
  bool is_refused = false;
  std::string reason;
  std::string prompt;
};

Outcome outcome_of(const ChatTemplate& chat_template, std::string_view what, const Json& messages,
                   std::string_view wanted, const ChatTemplateOptions& options) {
  auto rendering = chat_template.try_render(messages, options);
  Outcome outcome;
  outcome.is_refused = rendering.is_refused;
  if (!rendering.text.ok()) {
    outcome.reason = fmt::format("{}: {}", what, rendering.text.status().message());
    return outcome;
  }
  outcome.prompt = *std::move(rendering.text);
  outcome.is_good = outcome.prompt.find(wanted) != std::string::npos;
  if (!outcome.is_good)
    outcome.reason = fmt::format("{}: the prompt does not hold \"{}\"", what, wanted);
  return outcome;
}

void try_tools(const ChatTemplate& chat_template, ChatTemplateOptions options, ChatTrial& trial) {
  if (!chat_template.mentions("tools")) return;
  options.variables = {{"tools", tools()}};
  Outcome outcome = outcome_of(chat_template, "a question with tools",
                               Json::array({message("user", kQuestion)}), kTool, options);
  if (outcome.is_good) {
    outcome = outcome_of(chat_template, "the result of a tool", tool_conversation(), kToolResult,
                         options);
  }
  trial.takes_tools = outcome.is_good;
  trial.tools_reason = outcome.reason;
}

}  // namespace

ChatTrial try_chat(const ChatTemplate& chat_template, const ChatTemplateOptions& given) {
  ChatTemplateOptions options;
  options.bos = given.bos;
  options.eos = given.eos;
  options.now = given.now;
  ChatTrial trial;
  const Json question = Json::array({message("user", kQuestion)});
  const Outcome first =
      outcome_of(chat_template, "a user's question", question, kQuestion, options);
  if (!first.is_good) {
    trial.reason = first.reason;
    return trial;
  }
  const Json turns = Json::array({message("user", kQuestion), message("assistant", kAnswer),
                                  message("user", kSecondQuestion)});
  const Outcome second =
      outcome_of(chat_template, "a second question", turns, kSecondQuestion, options);
  if (!second.is_good) {
    trial.reason = second.reason;
    return trial;
  }
  const Json with_system = Json::array({message("system", kSystem), message("user", kQuestion)});
  const Outcome system =
      outcome_of(chat_template, "a system message", with_system, kQuestion, options);
  if (!system.is_good && !system.is_refused) {
    trial.reason = system.reason;
    return trial;
  }
  trial.takes_system = system.is_good && system.prompt.find(kSystem) != std::string::npos;
  trial.can_chat = true;
  try_tools(chat_template, options, trial);
  ChatTemplateOptions finished = options;
  finished.add_generation_prompt = false;
  const Json answered = Json::array({message("user", kQuestion), message("assistant", kAnswer)});
  const Outcome answer = outcome_of(chat_template, "an answer", answered, kAnswer, finished);
  if (answer.is_good) {
    trial.after_answer = answer.prompt.substr(answer.prompt.rfind(kAnswer) + kAnswer.size());
  }
  return trial;
}

ChatTrial try_chat(std::string_view source, const ChatTemplateOptions& options) {
  const auto parsed = ChatTemplate::parse(source);
  if (parsed.ok()) return try_chat(*parsed, options);
  ChatTrial trial;
  trial.reason = parsed.status().message();
  return trial;
}

}  // namespace panal::chat
