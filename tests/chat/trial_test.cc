#include "chat/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace panal::chat {
namespace {

using testing::HasSubstr;

constexpr std::string_view kChatml =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

TEST(ChatTrial, FindsAWholeTemplateFit) {
  const ChatTrial trial = try_chat(kChatml, {});
  EXPECT_TRUE(trial.can_chat) << trial.reason;
  EXPECT_EQ(trial.reason, "");
  EXPECT_TRUE(trial.takes_system);
  EXPECT_FALSE(trial.takes_tools);
  EXPECT_EQ(trial.tools_reason, "");
  EXPECT_EQ(trial.after_answer, "<|im_end|>\n");
}

TEST(ChatTrial, SaysWhichConversationFailedAndWhy) {
  const ChatTrial unparsed = try_chat("{% include 'x' %}", {});
  EXPECT_FALSE(unparsed.can_chat);
  EXPECT_THAT(unparsed.reason, HasSubstr("line 1"));
  const ChatTrial broken = try_chat("{{ messages[0].content | frobnicate }}", {});
  EXPECT_FALSE(broken.can_chat);
  EXPECT_THAT(broken.reason,
              testing::AllOf(HasSubstr("a user's question"), HasSubstr("frobnicate")));
  const ChatTrial one_turn =
      try_chat("{{ messages[0].content }}{{ raise_exception('one turn') if messages[1:] }}", {});
  EXPECT_FALSE(one_turn.can_chat);
  EXPECT_THAT(one_turn.reason,
              testing::AllOf(HasSubstr("a second question"), HasSubstr("one turn")));
}

TEST(ChatTrial, WantsTheQuestionInThePrompt) {
  const ChatTrial trial = try_chat("Hello!", {});
  EXPECT_FALSE(trial.can_chat);
  EXPECT_THAT(trial.reason, HasSubstr("does not hold"));
}

// A template that needs the date is tried with one.
TEST(ChatTrial, UsesTheGivenDate) {
  const std::string dated = "{{ strftime_now('%Y') }}" + std::string(kChatml);
  EXPECT_FALSE(try_chat(dated, {}).can_chat);
  ChatTemplateOptions options;
  options.now = local_time(ManualClock());
  EXPECT_TRUE(try_chat(dated, options).can_chat);
}

TEST(ChatTrial, AllowsARefusedSystemMessageButNotAFailingOne) {
  const ChatTrial refuses = try_chat(
      "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" +
          std::string(kChatml),
      {});
  EXPECT_TRUE(refuses.can_chat);
  EXPECT_FALSE(refuses.takes_system);
  const ChatTrial fails = try_chat(
      "{% if messages[0].role == 'system' %}{{ 1 + 'a' }}{% endif %}" + std::string(kChatml), {});
  EXPECT_FALSE(fails.can_chat);
  EXPECT_THAT(fails.reason, HasSubstr("a system message"));
  const ChatTrial drops =
      try_chat("{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}", {});
  EXPECT_TRUE(drops.can_chat);
  EXPECT_FALSE(drops.takes_system);
}

TEST(ChatTrial, TriesToolsWhereTheTemplateMentionsThem) {
  const std::string shown = "{% if tools %}{{ tools | tojson }}{% endif %}" + std::string(kChatml);
  EXPECT_TRUE(try_chat(shown, {}).takes_tools);
  const std::string broken = "{% if tools %}{{ tools.pop() }}{% endif %}" + std::string(kChatml);
  const ChatTrial trial = try_chat(broken, {});
  EXPECT_TRUE(trial.can_chat) << "without tools it works";
  EXPECT_FALSE(trial.takes_tools);
  EXPECT_THAT(trial.tools_reason, HasSubstr("pop"));
}

}  // namespace
}  // namespace panal::chat
