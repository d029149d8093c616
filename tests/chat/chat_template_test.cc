#include "chat/chat_template.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tokenizer/tokenizer_golden.h"

namespace panal::chat {
namespace {

using testing::HasSubstr;
using tokenizer::golden;
using tokenizer::SplitMix;

Result<std::string> render(std::string_view source, const std::vector<ChatMessage>& messages = {}) {
  PANAL_ASSIGN(const ChatTemplate parsed, ChatTemplate::parse(source));
  return parsed.render(messages, {});
}

TEST(ChatTemplate, RendersAsTransformersDoes) {
  int num_compared = 0;
  for (const Json& item : golden("chat_templates.json")) {
    const std::string name = item.at("name").get<std::string>();
    auto parsed = ChatTemplate::parse(item.at("source").get<std::string>());
    ASSERT_TRUE(parsed.ok()) << name << ": " << parsed.status().message();
    for (const Json& expected : item.at("cases")) {
      ChatTemplateOptions options;
      options.add_generation_prompt = expected.at("add_generation_prompt").get<bool>();
      options.bos = "<s>";
      options.eos = "</s>";
      options.variables = expected.at("variables");
      const auto rendered = parsed->render(expected.at("messages"), options);
      if (expected.contains("error")) {
        EXPECT_FALSE(rendered.ok()) << name << " should say: " << expected.at("error");
        continue;
      }
      ASSERT_TRUE(rendered.ok()) << name << ": " << rendered.status().message();
      EXPECT_EQ(*rendered, expected.at("expected").get<std::string>()) << name;
      ++num_compared;
    }
  }
  EXPECT_GT(num_compared, 80);
}

TEST(ChatTemplate, TakesRolesAndContents) {
  const std::string source = "{% for m in messages %}[{{ m.role }}:{{ m['content'] }}]{% endfor %}";
  EXPECT_EQ(render(source, {{"user", "a"}, {"assistant", "b"}}).value(), "[user:a][assistant:b]");
}

TEST(ChatTemplate, ContentIsNeverRunAsTemplate) {
  EXPECT_EQ(render("{{ messages[0].content }}", {{"user", "{{ 1 + 1 }}"}}).value(), "{{ 1 + 1 }}");
}

TEST(ChatTemplate, PassesOnWhatTheTemplateRefuses) {
  const Status refused = render("a\n{{ raise_exception('no ' ~ 1) }}").status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("no 1"));
  EXPECT_THAT(refused.message(), HasSubstr("line 2"));
}

TEST(ChatTemplate, NamesLineAndCauseOfErrors) {
  const auto message_of = [](std::string_view source) { return render(source).status().message(); };
  EXPECT_THAT(message_of("\n\n{% frob %}"), HasSubstr("line 3"));
  EXPECT_THAT(message_of("{% include 'x' %}"), HasSubstr("include"));
  EXPECT_THAT(message_of("{{ 1"), HasSubstr("}}"));
  EXPECT_THAT(message_of("{% if true %}"), HasSubstr("endif"));
  EXPECT_THAT(message_of("{{ 'x }}"), HasSubstr("string"));
  EXPECT_THAT(message_of("{{ x | frobnicate }}"), HasSubstr("frobnicate"));
  EXPECT_THAT(message_of("{{ x is frobnicated }}"), HasSubstr("frobnicated"));
  EXPECT_THAT(message_of("{{ 'x'.frob() }}"), HasSubstr("frob"));
  EXPECT_THAT(message_of("{{ nothing.there }}"), HasSubstr("'nothing' is undefined"));
  EXPECT_THAT(message_of("{{ 1 / 0 }}"), HasSubstr("zero"));
  EXPECT_THAT(message_of("{{ 'a' + 1 }}"), HasSubstr("str + int"));
  EXPECT_THAT(message_of("{{ strftime_now('%Y') }}"), HasSubstr("day"));
  EXPECT_THAT(message_of("{{ 9223372036854775807 + 1 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(message_of("{% break %}"), HasSubstr("outside a loop"));
}

// Templates that would never end, fill the memory or overflow the stack end with a clear error
// instead.
TEST(ChatTemplate, BoundsWhatATemplateMayUse) {
  const std::string source[] = {
      "{% for a in range(999999999) %}{% endfor %}",
      "{% for a in range(3000) %}{% for b in range(3000) %}x{% endfor %}{% endfor %}",
      "{{ 'x' * 999999999999 }}",
      "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for a in range(99) %}{% set ns.s = ns.s + "
      "ns.s %}{% endfor %}",
      "{% set ns = namespace(s=[1]) %}{% for a in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% "
      "endfor %}{{ ns.s }}",
      "{% set ns = namespace(s=[1]) %}{% for a in range(999) %}{% set ns.s = [ns.s] %}{% endfor %}",
      "{% set ns = namespace(a=1) %}{% set ns.a = ns %}",
      "{% set ns = namespace(a=1) %}{% set ns.a = [ns] %}",
      "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
      "{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}",
      "{{ " + std::string(100000, '-') + "1 }}",
      "{{ 1" + std::string(5000, '.') + " }}",
      "{{ x" + fmt::format("{}", fmt::join(std::vector<std::string>(5000, "|trim"), "")) + " }}",
      "{{ 1" + fmt::format("{}", fmt::join(std::vector<std::string>(5000, "+1"), "")) + " }}",
      fmt::format("{}", fmt::join(std::vector<std::string>(500, "{% if true %}"), "")),
      "{{ ('a' * 1000000).replace('a', 'b' * 1000) }}",
      "{{ [1] * 3 }}",
  };
  for (const std::string& each : source) {
    const auto rendered = render(each);
    EXPECT_FALSE(rendered.ok()) << each.substr(0, 80);
  }
}

TEST(ChatTemplate, ReplacesInvalidUtf8InMessages) {
  EXPECT_EQ(render("{{ messages[0].content }}", {{"user", "a\xFFz"}}).value(), "a\xEF\xBF\xBDz");
}

// Truncated and flipped templates give an error or some text, never a crash.
TEST(ChatTemplate, SurvivesMutatedTemplates) {
  SplitMix random(77);
  const Json items = golden("chat_templates.json");
  int num_rendered = 0;
  for (int i = 0; i < 3000; ++i) {
    const Json& item = items[random.below(items.size())];
    std::string source = item.at("source").get<std::string>();
    if (i % 3 == 0) source.resize(random.below(source.size()));
    for (std::uint64_t flips = 1 + random.below(3); flips > 0 && !source.empty(); --flips) {
      const std::size_t at = random.below(source.size());
      if (random.below(2) == 0) {
        source[at] ^= char(1 << random.below(8));
      } else {
        source.erase(at, 1 + random.below(4));
      }
    }
    auto parsed = ChatTemplate::parse(source);
    if (!parsed.ok()) continue;
    const Json& messages = item.at("cases")[random.below(item.at("cases").size())].at("messages");
    if (parsed->render(messages, {}).ok()) ++num_rendered;
  }
  EXPECT_GT(num_rendered, 100);
}

}  // namespace
}  // namespace panal::chat
