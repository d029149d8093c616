// Answers.
#include "api/openai_codec.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace panal::api {
namespace {

Json usage_json(const AnswerIdentity& identity, const std::vector<AnsweredPrompt>& answers) {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i % identity.choices_per_prompt == 0) prompt_tokens += answers[i].summary.prompt_tokens;
    completion_tokens += answers[i].summary.completion_tokens;
  }
  return Json{{"prompt_tokens", prompt_tokens},
              {"completion_tokens", completion_tokens},
              {"total_tokens", prompt_tokens + completion_tokens}};
}

Json envelope(const AnswerIdentity& identity, std::string_view object, Json choices) {
  return Json{{"id", identity.id},
              {"object", object},
              {"created", identity.created_unix_s},
              {"model", identity.model},
              {"choices", std::move(choices)}};
}

std::string_view chunk_object(const AnswerIdentity& identity) {
  return identity.is_chat ? "chat.completion.chunk" : "text_completion";
}

std::string token_text(const work::TokenLogprob& token) {
  return replace_invalid_utf8(std::string(token.bytes.begin(), token.bytes.end()));
}

Json token_json(const work::TokenLogprob& token) {
  return {{"token", token_text(token)}, {"logprob", token.logprob}, {"bytes", token.bytes}};
}

Json chat_logprobs_json(const std::vector<work::TokenLogprobs>& tokens) {
  Json content = Json::array();
  for (const work::TokenLogprobs& token : tokens) {
    Json entry = token_json(token.chosen);
    entry["top_logprobs"] = Json::array();
    for (const work::TokenLogprob& likely : token.likeliest)
      entry["top_logprobs"].push_back(token_json(likely));
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

// The older form, in columns; text_offset counts characters of the answer.
Json completion_logprobs_json(const std::vector<work::TokenLogprobs>& tokens) {
  Json texts = Json::array(), logprobs = Json::array(), likeliest = Json::array(),
       offsets = Json::array();
  std::int64_t num_characters = 0;
  for (const work::TokenLogprobs& token : tokens) {
    texts.push_back(token_text(token.chosen));
    logprobs.push_back(token.chosen.logprob);
    offsets.push_back(num_characters);
    num_characters += std::ranges::count_if(
        token.chosen.bytes, [](std::int32_t byte) { return (byte & 0xC0) != 0x80; });
    Json shares = Json::object();
    for (const work::TokenLogprob& likely : token.likeliest)
      shares[token_text(likely)] = likely.logprob;
    likeliest.push_back(std::move(shares));
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(likeliest)},
          {"text_offset", std::move(offsets)}};
}

Json logprobs_json(const AnswerIdentity& identity, const hub::AnswerSummary& summary) {
  if (!identity.has_logprobs) return nullptr;
  return identity.is_chat ? chat_logprobs_json(summary.logprobs)
                          : completion_logprobs_json(summary.logprobs);
}

Json chunk(const AnswerIdentity& identity, std::size_t index, Json delta_or_text,
           const Json& finish_reason, Json logprobs = nullptr) {
  Json choice = {{"index", index}};
  choice[identity.is_chat ? "delta" : "text"] = std::move(delta_or_text);
  choice["logprobs"] = std::move(logprobs);
  choice["finish_reason"] = finish_reason;
  return envelope(identity, chunk_object(identity), Json::array({std::move(choice)}));
}

Json trace_json(const std::vector<AnsweredPrompt>& answers) {
  if (answers.size() == 1) return work::to_json(answers.front().summary.trace);
  Json traces = Json::array();
  for (const AnsweredPrompt& answer : answers)
    traces.push_back(work::to_json(answer.summary.trace));
  return Json{{"answers", std::move(traces)}};
}

Json choice_json(const AnswerIdentity& identity, std::size_t index, const AnsweredPrompt& answer) {
  Json choice = {{"index", index}};
  if (identity.is_chat) {
    choice["message"] = {{"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}};
  } else {
    choice["text"] = answer.text;
  }
  choice["logprobs"] = logprobs_json(identity, answer.summary);
  choice["finish_reason"] = work::finish_reason_name(answer.summary.finish_reason);
  return choice;
}

}  // namespace

Json answer_json(const AnswerIdentity& identity, const std::vector<AnsweredPrompt>& answers) {
  Json choices = Json::array();
  for (std::size_t i = 0; i < answers.size(); ++i)
    choices.push_back(choice_json(identity, i, answers[i]));
  Json answer = envelope(identity, identity.is_chat ? "chat.completion" : "text_completion",
                         std::move(choices));
  answer["usage"] = usage_json(identity, answers);
  answer["panal"] = trace_json(answers);
  return answer;
}

Json role_chunk(const AnswerIdentity& identity, std::size_t index) {
  return chunk(identity, index, {{"role", "assistant"}, {"content", ""}}, nullptr);
}

Json text_chunk(const AnswerIdentity& identity, std::size_t index, std::string_view delta) {
  return chunk(identity, index, identity.is_chat ? Json{{"content", delta}} : Json(delta), nullptr);
}

Json finish_chunk(const AnswerIdentity& identity, std::size_t index,
                  const hub::AnswerSummary& summary) {
  Json last = chunk(identity, index, identity.is_chat ? Json::object() : Json(""),
                    Json(work::finish_reason_name(summary.finish_reason)),
                    logprobs_json(identity, summary));
  last["panal"] = work::to_json(summary.trace);
  return last;
}

Json usage_chunk(const AnswerIdentity& identity, const std::vector<AnsweredPrompt>& answers) {
  Json last = envelope(identity, chunk_object(identity), Json::array());
  last["usage"] = usage_json(identity, answers);
  return last;
}

Json model_json(const hub::ModelEntry& model) {
  using enum hub::ModelEntry::Kind;
  Json details = Json::object();
  switch (model.kind) {
    case kAuto:
      details = {{"kind", "auto"}, {"endpoint", model.endpoint}};
      break;
    case kGroup: {
      Json experts = Json::array();
      for (const auto& expert : model.experts) {
        experts.push_back(
            {{"name", expert.name}, {"label", expert.label}, {"version", expert.version}});
      }
      details = {{"kind", "group"},
                 {"core", model.version},
                 {"experts", std::move(experts)},
                 {"default", model.is_default}};
      break;
    }
    case kCore:
      details = {{"kind", "core"}, {"version", model.version}, {"endpoint", model.endpoint}};
      break;
    case kExpert:
      details = {{"kind", "expert"},
                 {"version", model.version},
                 {"label", model.label},
                 {"endpoint", model.endpoint}};
      break;
  }
  return Json{{"id", model.id},
              {"object", "model"},
              {"created", model.created_unix_s},
              {"owned_by", "panal"},
              {"panal", std::move(details)}};
}

Json model_list_json(const std::vector<hub::ModelEntry>& models) {
  Json data = Json::array();
  for (const hub::ModelEntry& model : models) data.push_back(model_json(model));
  return Json{{"object", "list"}, {"data", std::move(data)}};
}

Json stored_answers_json() {
  return Json{{"object", "list"},
              {"data", Json::array()},
              {"first_id", nullptr},
              {"last_id", nullptr},
              {"has_more", false}};
}

std::string sse_event(const Json& data) { return "data: " + to_line(data) + "\n\n"; }

}  // namespace panal::api
