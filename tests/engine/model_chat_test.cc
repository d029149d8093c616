// What the engine knows of a model's way of chatting: from its tokenizer's files alone.
#include "engine/commands/model_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tokenizer/tokenizer_golden.h"

namespace panal::engine {
namespace {

using testing::HasSubstr;

constexpr std::string_view kTurns =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}<turn>\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}";

// A small tokenizer with the special tokens <end> (EOS) and <turn>, and the given template.
tokenizer::Tokenizer tokenizer_with(std::string_view chat_template) {
  Json json = tokenizer::golden("variants.json").at("base");
  const Json plain = {{"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", true}};
  json["added_tokens"] = Json::array();
  for (const char* content : {"<end>", "<turn>"}) {
    Json token = plain;
    token["content"] = content;
    token["id"] = json.at("model").at("vocab").size() + json["added_tokens"].size();
    json["added_tokens"].push_back(std::move(token));
  }
  const Json config = {{"eos_token", "<end>"}, {"chat_template", chat_template}};
  auto made = tokenizer::Tokenizer::from_json(to_line(json), "test", to_line(config));
  EXPECT_TRUE(made.ok()) << made.status().message();
  return std::move(made).value();
}

work::ModelFacts facts_of(const ModelChat& chat) {
  work::ModelFacts facts;
  tell_chat(chat, facts);
  return facts;
}

// The token that closes the assistant's turn ends an answer, whatever the configs list.
TEST(ModelChat, StopsAtTheTokenThatTheTemplateWritesAfterAnAnswer) {
  const auto tokenizer = tokenizer_with(kTurns);
  const ModelChat chat = chat_of(tokenizer, ManualClock());
  ASSERT_TRUE(chat.chat_template.has_value()) << chat.trial->reason;
  EXPECT_EQ(chat.stop_ids, (std::vector{*tokenizer.find("<end>"), *tokenizer.find("<turn>")}));
  const work::ModelFacts facts = facts_of(chat);
  EXPECT_TRUE(facts.can_chat);
  EXPECT_EQ(facts.takes_system, true);
  EXPECT_EQ(facts.takes_tools, false);
}

TEST(ModelChat, TextAfterAnAnswerIsNoStop) {
  const auto tokenizer = tokenizer_with("{% for m in messages %}{{ m.content }}\n{% endfor %}");
  EXPECT_EQ(chat_of(tokenizer, ManualClock()).stop_ids, std::vector{*tokenizer.find("<end>")});
}

TEST(ModelChat, ATemplateThatFailsLeavesAModelWithoutChatAndSaysWhy) {
  for (const char* broken : {"{{ messages[0].content | frobnicate }}", "{% include 'x' %}"}) {
    const ModelChat chat = chat_of(tokenizer_with(broken), ManualClock());
    EXPECT_FALSE(chat.chat_template.has_value());
    const work::ModelFacts facts = facts_of(chat);
    EXPECT_FALSE(facts.can_chat);
    EXPECT_THAT(facts.why_no_chat.value_or(""), HasSubstr("line 1"));
  }
}

// strftime_now and keys that are no strings are in templates of today.
TEST(ModelChat, TakesTemplatesThatAskForTheDateOrHaveOtherKeys) {
  const std::string dated = "{{ strftime_now('%Y') }}{{ {1: 'one'}[1] }}" + std::string(kTurns);
  const ModelChat chat = chat_of(tokenizer_with(dated), ManualClock());
  EXPECT_TRUE(chat.chat_template.has_value()) << chat.trial->reason;
}

TEST(ModelChat, AModelWithoutATemplateHasNoReason) {
  const ModelChat chat = chat_of(tokenizer_with(""), ManualClock());
  EXPECT_FALSE(chat.trial.has_value());
  const work::ModelFacts facts = facts_of(chat);
  EXPECT_FALSE(facts.can_chat);
  EXPECT_EQ(facts.why_no_chat, std::nullopt);
}

}  // namespace
}  // namespace panal::engine
