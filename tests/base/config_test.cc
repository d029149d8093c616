// The strict configuration reader: whatever is wrong in a file is said once, with its place.
#include "base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace panal {
namespace {

using ::testing::HasSubstr;

ConfigReader reader_of(std::string_view yaml) {
  return ConfigReader::parse(yaml, "run.yaml").value();
}

TEST(ConfigReader, ReadsEveryTypeAndTakesDefaults) {
  ConfigReader reader = reader_of(
      "steps: 100\nrate: 3e-4\nresume: true\nname: small\noptimizer: muon\n"
      "targets: [q_proj, v_proj]\nmodel:\n  width: 64\n");
  EXPECT_EQ(reader.integer("steps", 1, 1, 1000), 100);
  EXPECT_EQ(reader.number("rate", 1, 0, 1), 3e-4);
  EXPECT_TRUE(reader.flag("resume", false));
  EXPECT_EQ(reader.text("name", ""), "small");
  EXPECT_EQ(reader.choice("optimizer", "adamw", {"adamw", "muon"}), "muon");
  EXPECT_EQ(reader.texts("targets", {}), (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_EQ(reader.section("model").integer("width", 1, 1, 100), 64);
  EXPECT_EQ(reader.integer("seed", 42, 0, 100), 42);
  EXPECT_EQ(reader.texts("stop", {"end"}), std::vector<std::string>{"end"});
  EXPECT_TRUE(reader.finish().ok()) << reader.finish().message();
}

TEST(ConfigReader, NamesAMisspeltKeyItsLineAndTheNearestKnownOne) {
  ConfigReader reader = reader_of("# a comment\nsteps: 1\nlaerning_rate: 1\n");
  reader.integer("steps", 1, 1, 10);
  reader.number("learning_rate", 1, 0, 1);
  const Status status = reader.finish();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "run.yaml:3: unknown key \"laerning_rate\"; did you mean \"learning_rate\"?");
}

TEST(ConfigReader, ListsTheKnownKeysWhenNoneIsNear) {
  ConfigReader reader = reader_of("zzzzzzzz: 1\n");
  reader.integer("steps", 1, 1, 10);
  reader.text("name", "");
  EXPECT_THAT(reader.finish().message(), HasSubstr("known keys: steps, name"));
}

TEST(ConfigReader, NamesAMisspeltKeyInsideASection) {
  ConfigReader reader = reader_of("model:\n  width: 64\n  layer: 2\n");
  ConfigReader model = reader.section("model");
  model.integer("width", 1, 1, 100);
  model.integer("layers", 1, 1, 100);
  EXPECT_EQ(reader.finish().message(),
            "run.yaml:3: unknown key \"model.layer\"; did you mean \"layers\"?");
}

TEST(ConfigReader, SaysWhatWasWantedAndWhatWasFound) {
  const auto message_after = [](std::string_view yaml, auto&& ask) {
    ConfigReader reader = reader_of(yaml);
    ask(reader);
    return reader.finish().message();
  };
  EXPECT_EQ(message_after("steps: ten", [](ConfigReader& r) { r.integer("steps", 1, 1, 9); }),
            "run.yaml:1: \"steps\" must be an integer from 1 to 9, found \"ten\"");
  EXPECT_EQ(message_after("steps: 1.5", [](ConfigReader& r) { r.integer("steps", 1, 1, 9); }),
            "run.yaml:1: \"steps\" must be an integer from 1 to 9, found \"1.5\"");
  EXPECT_EQ(message_after("a: 1\nrate: [1]",
                          [](ConfigReader& r) {
                            r.integer("a", 1, 1, 9);
                            r.number("rate", 1, 0, 1);
                          }),
            "run.yaml:2: \"rate\" must be a number from 0 to 1, found a list");
  EXPECT_EQ(message_after("resume: perhaps", [](ConfigReader& r) { r.flag("resume", true); }),
            "run.yaml:1: \"resume\" must be true or false, found \"perhaps\"");
  EXPECT_EQ(message_after("name: {a: 1}", [](ConfigReader& r) { r.text("name", ""); }),
            "run.yaml:1: \"name\" must be text, found a mapping");
  EXPECT_EQ(message_after("kind: c",
                          [](ConfigReader& r) {
                            r.choice("kind", "a", {"a", "b"});
                          }),
            "run.yaml:1: \"kind\" must be one of a, b, found \"c\"");
  EXPECT_THAT(message_after("model: 5", [](ConfigReader& r) { r.section("model"); }),
              HasSubstr("\"model\" must be a mapping of keys and values, found \"5\""));
}

TEST(ConfigReader, HoldsNumbersToTheirRangeAndRefusesNotANumber) {
  for (const char* value : {"0", "10", "-1", "99999999999999999999"}) {
    ConfigReader reader = reader_of(std::string("steps: ") + value);
    EXPECT_EQ(reader.integer("steps", 5, 1, 9), 5) << value;
    EXPECT_FALSE(reader.finish().ok()) << value;
  }
  for (const char* value : {".nan", ".inf", "1.01", "-0.01"}) {
    ConfigReader reader = reader_of(std::string("rate: ") + value);
    EXPECT_EQ(reader.number("rate", 0.5, 0, 1), 0.5) << value;
    EXPECT_FALSE(reader.finish().ok()) << value;
  }
  for (const char* value : {"1", "9"}) {
    ConfigReader reader = reader_of(std::string("steps: ") + value);
    reader.integer("steps", 5, 1, 9);
    EXPECT_TRUE(reader.finish().ok()) << value;
  }
}

TEST(ConfigReader, RefusesAKeyGivenTwice) {
  const auto refused = ConfigReader::parse("steps: 1\nname: x\nsteps: 2\n", "run.yaml");
  EXPECT_EQ(refused.status().message(), "run.yaml:3: the key \"steps\" is given twice");
}

TEST(ConfigReader, RefusesAKeyGivenTwiceInsideASection) {
  ConfigReader reader = reader_of("model:\n  width: 1\n  width: 2\n");
  reader.section("model").integer("width", 1, 1, 9);
  EXPECT_EQ(reader.finish().message(), "run.yaml:3: the key \"model.width\" is given twice");
}

TEST(ConfigReader, TakesAListOfTextsAndNothingElse) {
  for (const char* yaml : {"a: {}", "a: {b: c}", "a: [[1]]"}) {
    ConfigReader reader = reader_of(yaml);
    reader.texts("a", {});
    EXPECT_THAT(reader.finish().message(), HasSubstr("\"a\" must be a list of texts")) << yaml;
  }
  ConfigReader reader = reader_of("a: one");
  EXPECT_EQ(reader.texts("a", {}), std::vector<std::string>{"one"});
}

TEST(ConfigReader, ReportsTheFirstErrorInFileOrder) {
  ConfigReader reader = reader_of("first: x\nsecond: y\n");
  reader.integer("second", 1, 1, 9);
  reader.integer("first", 1, 1, 9);
  EXPECT_THAT(reader.finish().message(), HasSubstr("run.yaml:1: \"first\""));
}

TEST(ConfigReader, WantsItsRequiredKeys) {
  ConfigReader reader = reader_of("other: 1");
  reader.integer("other", 1, 1, 9);
  EXPECT_EQ(reader.required_text("data"), "");
  EXPECT_THAT(reader.finish().message(), HasSubstr("\"data\" is missing"));
}

TEST(ConfigReader, TakesRejectionsOverSeveralValues) {
  ConfigReader reader = reader_of("heads: 3\n");
  reader.integer("heads", 1, 1, 9);
  reader.reject("heads", "must divide the width 64");
  EXPECT_EQ(reader.finish().message(), "run.yaml:1: \"heads\" must divide the width 64");
}

TEST(ConfigReader, RefusesWhatIsNoMapping) {
  EXPECT_THAT(ConfigReader::parse("a: [1, 2", "run.yaml").status().message(),
              HasSubstr("expected YAML"));
  EXPECT_THAT(ConfigReader::parse("- 1\n- 2\n", "run.yaml").status().message(),
              HasSubstr("found a list"));
  EXPECT_THAT(ConfigReader::parse("[a]: 1\n", "run.yaml").status().message(),
              HasSubstr("plain text"));
  EXPECT_TRUE(ConfigReader::parse("", "run.yaml").value().finish().ok());
}

TEST(ConfigReader, RefusesASecondDocument) {
  const auto two = ConfigReader::parse("a: 1\n---\nb: 2\n", "run.yaml");
  EXPECT_EQ(two.code(), Code::kInvalidArgument);
  EXPECT_THAT(two.status().message(), HasSubstr("run.yaml:3: expected one YAML document"));
  for (const char* one : {"---\na: 1\n", "a: 1\n...\n", "a: 1\n---\n", "%YAML 1.2\n---\na: 1\n"}) {
    EXPECT_TRUE(ConfigReader::parse(one, "run.yaml").ok()) << one;
  }
}

TEST(ConfigReader, ReadsJsonToo) {
  ConfigReader reader = reader_of("{\"steps\": 3}");
  EXPECT_EQ(reader.integer("steps", 1, 1, 9), 3);
  EXPECT_TRUE(reader.finish().ok());
}

TEST(NearestWord, SuggestsOnlyWhatIsNear) {
  EXPECT_EQ(nearest_word("wdith", {"height", "width"}), "width");
  EXPECT_EQ(nearest_word("completely-else", {"height", "width"}), "");
  EXPECT_EQ(nearest_word("modles", {"data", "models"}), "models");
  EXPECT_EQ(nearest_word("nope", {"core"}), "");
  EXPECT_EQ(nearest_word("x", {}), "");
}

// A misspelt value may be why another key seems to be missing, so the one that stands in the file
// is told.
TEST(ConfigReader, TellsAMistakeInTheFileBeforeAKeyThatIsMissing) {
  auto reader = ConfigReader::parse("kind: pretrian\n", "run.yaml").value();
  reader.required_text("data");
  reader.choice("kind", "pretrain", {"pretrain", "lora"});
  EXPECT_NE(reader.finish().message().find("one of pretrain, lora"), std::string::npos)
      << reader.finish().message();
}

}  // namespace
}  // namespace panal
