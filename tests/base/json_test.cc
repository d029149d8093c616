// JSON from outside: bounded, and every complaint names its place.
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace panal {
namespace {

using ::testing::HasSubstr;

std::string nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(ParseJson, NamesLineAndColumnOfTheBreak) {
  const auto refused = parse_json("{\n  \"a\": 1,\n  \"b\": ?\n}", "request");
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_EQ(refused.status().message(),
            "request: expected valid JSON, but it ends or breaks at line 3, column 8");
  // A line of a file has its number in the name already.
  EXPECT_EQ(parse_json("{\"text\": \"cut", "a.jsonl, line 2").status().message(),
            "a.jsonl, line 2: expected valid JSON, but it ends or breaks at column 14");
  EXPECT_FALSE(parse_json("", "request").ok());
  EXPECT_FALSE(parse_json("{\"a\": 1", "request").ok());
  EXPECT_FALSE(parse_json("{} trailing", "request").ok());
}

TEST(ParseJson, BoundsTheDepth) {
  EXPECT_TRUE(parse_json(nested(64), "request").ok());
  EXPECT_THAT(parse_json(nested(66), "request").status().message(),
              HasSubstr("nested deeper than 64"));
  // An attacker's depth must not cost stack: this would overflow a recursive parser.
  EXPECT_FALSE(parse_json(nested(1'000'000), "request").ok());
}

TEST(ParseJson, RefusesInvalidUtf8) { EXPECT_FALSE(parse_json("\"\xff\"", "request").ok()); }

TEST(JsonText, IsWrittenWithoutThrowingWhateverTheBytes) {
  EXPECT_EQ(to_line(Json("a\xff"
                         "b")),
            "\"a\xEF\xBF\xBD"
            "b\"");
  EXPECT_EQ(to_line(Json{{"b", 1}, {"a", 2}}), "{\"b\":1,\"a\":2}") << "keys keep their order";
}

TEST(JsonInteger, TakesWholeNumbersInsideItsRangeOnly) {
  const auto read = [](const Json& value) {
    return json_integer(Json{{"n", value}}, "n", "request", 1, 4096);
  };
  EXPECT_EQ(read(1).value(), 1);
  EXPECT_EQ(read(4096).value(), 4096);
  EXPECT_EQ(read(5.0).value(), 5);
  for (const Json& wrong :
       {Json(0), Json(4097), Json(1.5), Json("ten"), Json(true), Json(), Json(-1), Json(1e300),
        Json(std::numeric_limits<std::uint64_t>::max()), Json::array({1})}) {
    EXPECT_EQ(read(wrong).code(), Code::kInvalidArgument) << wrong;
  }
  EXPECT_EQ(read("ten").status().message(),
            "request: \"n\" must be an integer from 1 to 4096, found \"ten\"");
}

TEST(JsonInteger, HoldsAtTheEndsOfInt64) {
  constexpr std::int64_t kLow = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kHigh = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(json_integer(Json{{"n", kHigh}}, "n", "x", kLow, kHigh).value(), kHigh);
  EXPECT_EQ(json_integer(Json{{"n", kLow}}, "n", "x", kLow, kHigh).value(), kLow);
  // 2^63 as a double is one more than the highest integer: casting it would be undefined.
  EXPECT_FALSE(json_integer(Json{{"n", 9223372036854775808.0}}, "n", "x", kLow, kHigh).ok());
}

TEST(JsonMembers, AreCheckedForPresenceTypeAndRange) {
  const Json object{{"s", "text"}, {"x", 0.5}, {"b", true}, {"nothing", nullptr}};
  EXPECT_EQ(json_string(object, "s", "request").value(), "text");
  EXPECT_EQ(json_number(object, "x", "request", 0, 1).value(), 0.5);
  EXPECT_TRUE(json_boolean(object, "b", "request").value());
  EXPECT_FALSE(json_number(object, "x", "request", 1, 2).ok());
  EXPECT_FALSE(json_boolean(object, "s", "request").ok());
  EXPECT_THAT(json_string(object, "missing", "request").status().message(),
              HasSubstr("\"missing\" is missing"));
  EXPECT_FALSE(json_has(object, "nothing"));
  EXPECT_TRUE(json_has(object, "s"));
  EXPECT_THAT(json_string(Json(5), "s", "request").status().message(),
              HasSubstr("expected a JSON object, found 5"));
}

TEST(JsonShown, StaysShortAndWholeCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "ñ";
  const std::string shown = json_shown(Json(text));
  EXPECT_LE(shown.size(), 60u);
  EXPECT_TRUE(parse_json(to_line(Json(shown)), "shown").ok());
  EXPECT_EQ(to_line(Json(shown)).find("\xEF\xBF\xBD"), std::string::npos) << "a character was cut";
}

}  // namespace
}  // namespace panal
