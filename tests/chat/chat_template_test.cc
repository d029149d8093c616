#include "chat/chat_template.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json.h"
#include "base/rng.h"

namespace panal::chat {
namespace {

using testing::HasSubstr;

// Made by tools/goldens/chat_templates.py.
Json golden(const std::string& name) {
  std::ifstream file(std::filesystem::path(PANAL_TEST_DIR) / "golden" / "chat" / name);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return parse_json(text, name).value();
}

// The goldens' date: 5 September 2026, 07:08:09, a Saturday.
std::tm golden_date() {
  std::tm date{};
  date.tm_year = 126;
  date.tm_mon = 8;
  date.tm_mday = 5;
  date.tm_hour = 7;
  date.tm_min = 8;
  date.tm_sec = 9;
  date.tm_wday = 6;
  date.tm_yday = 247;
  return date;
}

Result<std::string> render(std::string_view source, const std::vector<ChatMessage>& messages = {}) {
  PANAL_ASSIGN(const ChatTemplate parsed, ChatTemplate::parse(source));
  return parsed.render(messages, {});
}

TEST(ChatTemplate, RendersAsTransformersDoes) {
  int num_compared = 0;
  for (const Json& item : golden("templates.json")) {
    const std::string name = item.at("name").get<std::string>();
    auto parsed = ChatTemplate::parse(item.at("source").get<std::string>());
    ASSERT_TRUE(parsed.ok()) << name << ": " << parsed.status().message();
    for (const Json& expected : item.at("cases")) {
      ChatTemplateOptions options;
      options.add_generation_prompt = expected.at("add_generation_prompt").get<bool>();
      options.bos = "<s>";
      options.eos = "</s>";
      options.variables = expected.at("variables");
      options.now = golden_date();
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
  EXPECT_GT(num_compared, 150);
}

// Filters, tests, methods and functions with every argument they have, and with some they have
// not.
TEST(ChatTemplate, EvaluatesAsJinjaDoes) {
  const Json document = golden("expressions.json");
  ChatTemplateOptions options;
  options.variables = document.at("variables");
  options.now = golden_date();
  for (const Json& line : document.at("lines")) {
    const std::string source = line.at("source").get<std::string>();
    const auto parsed = ChatTemplate::parse(source);
    const auto rendered = parsed.ok() ? parsed->render(document.at("messages"), options)
                                      : Result<std::string>(parsed.status());
    if (line.contains("error")) {
      EXPECT_FALSE(rendered.ok()) << source << "\nshould say " << line.at("error") << "\nis "
                                  << rendered.value();
      continue;
    }
    ASSERT_TRUE(rendered.ok()) << source << "\n" << rendered.status().message();
    EXPECT_EQ(*rendered, line.at("expected").get<std::string>()) << source;
  }
}

TEST(ChatTemplate, NamesTheArgumentThatNothingTakes) {
  const auto message_of = [](std::string_view source) { return render(source).status().message(); };
  EXPECT_THAT(message_of("\n{{ [1] | sum(begin=3) }}"),
              testing::AllOf(HasSubstr("line 2"), HasSubstr("the filter \"sum\""),
                             HasSubstr("\"begin\""), HasSubstr("attribute, start")));
  EXPECT_THAT(message_of("{{ 4 is divisibleby(by=2) }}"),
              testing::AllOf(HasSubstr("the test \"divisibleby\""), HasSubstr("\"by\"")));
  EXPECT_THAT(message_of("{{ 'a'.split(on=',') }}"),
              testing::AllOf(HasSubstr("str.split()"), HasSubstr("\"on\"")));
  EXPECT_THAT(message_of("{{ 'a' | upper(1) }}"), HasSubstr("at most 0 arguments, found 1"));
  EXPECT_THAT(message_of("{{ 'a' | replace('a') }}"), HasSubstr("needs the argument \"new\""));
  EXPECT_THAT(message_of("{{ 'a' | indent('x', width=1) }}"), HasSubstr("\"width\" twice"));
  EXPECT_THAT(message_of("{{ range(step=2) }}"), HasSubstr("\"step\""));
  EXPECT_THAT(message_of("{{ [1] | select(odd=1) | list }}"), HasSubstr("\"odd\""));
}

TEST(ChatTemplate, WritesNoDateUnlessItIsGivenOne) {
  auto dated = ChatTemplate::parse("{{ strftime_now('%d %b %Y') }}");
  const Json messages = Json::array();
  EXPECT_THAT(dated->render(messages, {}).status().message(), HasSubstr("needs a date"));
  ChatTemplateOptions options;
  options.now = golden_date();
  EXPECT_EQ(dated->render(messages, options).value(), "05 Sep 2026");
}

TEST(ChatTemplate, TellsARefusalFromAFault) {
  const Json messages = Json::array();
  const auto refused = ChatTemplate::parse("{{ raise_exception('no system') }}");
  EXPECT_TRUE(refused->try_render(messages, {}).is_refused);
  const auto broken = ChatTemplate::parse("{{ messages[0].content + 1 }}");
  EXPECT_FALSE(broken->try_render(messages, {}).is_refused);
  EXPECT_FALSE(broken->try_render(messages, {}).text.ok());
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
      "{{ [1] * 99999999999 }}",
      "{% set ns = namespace(s=[1]) %}{% for a in range(99) %}{% set ns.s = ns.s | map('string') "
      "%}{% endfor %}{{ ns.s | list }}",
      "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      "{{ '{:999999999}'.format(1) }}",
      "{{ '%999999999d' % 1 }}",
      "{{ 'a'.center(999999999999) }}",
      "{{ 'a' | indent(999999999999) }}",
      "{{ strftime_now('%c' * 999) }}",
      "{{ ('x' * 999999).join(range(9999) | map('string')) }}",
      "{{ [('x' * 999999)] | batch(999999999, 'y') | list }}",
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
  Rng random(77);
  const Json items = golden("templates.json");
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
