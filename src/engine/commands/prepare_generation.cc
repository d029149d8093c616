// A request's input becomes the tokens that its model reads.
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "engine/commands/loaded_model.h"

namespace panal::engine {
namespace {

// As templates see messages: what is not there is left out, so that "is defined" tells the truth.
Json template_messages(const work::Conversation& messages) {
  Json list = Json::array();
  for (const work::Message& message : messages) {
    Json entry = {{"role", message.role}, {"content", message.content}};
    if (message.name) entry["name"] = *message.name;
    if (message.tool_call_id) entry["tool_call_id"] = *message.tool_call_id;
    if (message.tool_calls) entry["tool_calls"] = *message.tool_calls;
    list.push_back(std::move(entry));
  }
  return list;
}

// For a model that knows no turns: one message is the text to continue; several are a transcript
// that the assistant is next to write in.
std::string transcript(const work::Conversation& messages) {
  if (messages.size() == 1) return messages.front().content;
  std::string text;
  for (const work::Message& message : messages) {
    if (message.role == "system") {
      text += message.content + "\n\n";
    } else {
      text += fmt::format("{}: {}\n", message.role == "assistant" ? "Assistant" : "User",
                          message.content);
    }
  }
  // A turn that the assistant has begun goes on on its line.
  if (!messages.empty() && messages.back().role == "assistant") {
    text.pop_back();
  } else if (!messages.empty()) {
    text += "Assistant:";
  }
  return text;
}

// What the template puts behind the last message ends the turn, from its end token on.
void reopen_last_turn(const std::vector<std::int32_t>& stop_ids,
                      std::vector<std::int32_t>& tokens) {
  const auto is_stop = [&](std::int32_t id) {
    return std::ranges::find(stop_ids, id) != stop_ids.end();
  };
  const auto last = std::find_if(tokens.rbegin(), tokens.rend(), is_stop);
  constexpr std::ptrdiff_t kMostBehind = 8;
  if (last != tokens.rend() && last - tokens.rbegin() < kMostBehind) {
    tokens.erase(std::prev(last.base()), tokens.end());
  }
}

}  // namespace

Result<std::vector<std::int32_t>> LoadedModel::encode_chat(
    const work::Conversation& messages) const {
  if (chat_.trial && !chat_.trial->can_chat) {
    return Status(Code::kUnsupported,
                  "this model cannot chat, its chat template fails: " + chat_.trial->reason);
  }
  if (!chat_encoder_) {
    return tokenizer_.encode_prompt(transcript(messages),
                                    {.special = tokenizer::SpecialTokens::kAsText});
  }
  chat::ChatTemplateOptions options = chat_options(tokenizer_, clock_);
  const bool continues = !messages.empty() && messages.back().role == "assistant";
  options.add_generation_prompt = !continues;
  PANAL_ASSIGN(auto tokens, chat_encoder_->prompt(template_messages(messages), options));
  if (continues) reopen_last_turn(chat_.stop_ids, tokens);
  return tokens;
}

Result<std::vector<std::int32_t>> LoadedModel::tokens_of(const work::Generation& request) const {
  if (const auto* messages = std::get_if<work::Conversation>(&request.input)) {
    return encode_chat(*messages);
  }
  if (const auto* ids = std::get_if<work::TokenIds>(&request.input)) {
    PANAL_TRY(tokenizer_.check_ids(*ids));
    return *ids;
  }
  const tokenizer::PromptOptions options =
      request.special_tokens
          ? tokenizer::PromptOptions{}
          : tokenizer::PromptOptions{.special = tokenizer::SpecialTokens::kAsText,
                                     .adds_special_tokens = false};
  return tokenizer_.encode_prompt(std::get<std::string>(request.input), options);
}

Result<serve::TokenizedGeneration> LoadedModel::prepare(work::Generation request) const {
  serve::TokenizedGeneration prepared;
  PANAL_ASSIGN(prepared.prompt, tokens_of(request));
  if (prepared.prompt.empty()) {
    const auto beginning = tokenizer_.bos_id() ? tokenizer_.bos_id() : tokenizer_.eos_id();
    if (!beginning) {
      return Status(Code::kInvalidArgument,
                    "the prompt must have at least one token, found none, and the model has no "
                    "token that texts begin with");
    }
    prepared.prompt = {*beginning};
  }
  // Without a seed two equal questions may get two answers.
  if (!request.sampling.seed) {
    request.sampling.seed = static_cast<std::int64_t>(xxh3_64(random_hex(8)));
  }
  request.input = std::string();
  prepared.request = std::move(request);
  return prepared;
}

work::ServerFacts LoadedModel::facts() const {
  return {.context_length = model_->context_length(),
          .vocabulary_size = model_->vocabulary_size(),
          .adapters = model_->adapters(),
          .has_chat_template = chat_encoder_.has_value()};
}

}  // namespace panal::engine
