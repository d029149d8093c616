// Answers.
#include "api/openai_codec.h"

#include <utility>

namespace panal::api {
namespace {

Json usage_json(const std::vector<AnsweredPrompt>& answers) {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  for (const AnsweredPrompt& answer : answers) {
    prompt_tokens += answer.summary.prompt_tokens;
    completion_tokens += answer.summary.completion_tokens;
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

Json chunk(const AnswerIdentity& identity, std::size_t index, Json delta_or_text,
           const Json& finish_reason) {
  Json choice = {{"index", index}};
  choice[identity.is_chat ? "delta" : "text"] = std::move(delta_or_text);
  choice["logprobs"] = nullptr;
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
  choice["logprobs"] = nullptr;
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
  answer["usage"] = usage_json(answers);
  answer["panal"] = trace_json(answers);
  return answer;
}

Json role_chunk(const AnswerIdentity& identity) {
  return chunk(identity, 0, {{"role", "assistant"}, {"content", ""}}, nullptr);
}

Json text_chunk(const AnswerIdentity& identity, std::size_t index, std::string_view delta) {
  return chunk(identity, index, identity.is_chat ? Json{{"content", delta}} : Json(delta), nullptr);
}

Json finish_chunk(const AnswerIdentity& identity, std::size_t index,
                  const hub::AnswerSummary& summary) {
  Json last = chunk(identity, index, identity.is_chat ? Json::object() : Json(""),
                    Json(work::finish_reason_name(summary.finish_reason)));
  last["panal"] = work::to_json(summary.trace);
  return last;
}

Json usage_chunk(const AnswerIdentity& identity, const std::vector<AnsweredPrompt>& answers) {
  Json last = envelope(identity, chunk_object(identity), Json::array());
  last["usage"] = usage_json(answers);
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
