#include "net/stream_parsers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace panal::net {
namespace {

// Feeds `text` in pieces of `piece_bytes`.
template <typename Push>
Status feed(std::string_view text, std::size_t piece_bytes, Push push) {
  for (std::size_t i = 0; i < text.size(); i += piece_bytes) {
    PANAL_TRY(push(text.substr(i, piece_bytes)));
  }
  return Status();
}

TEST(LineSplitter, FindsTheSameLinesHoweverTheBytesAreChopped) {
  const std::string text = "one\n\ntwo\r\nthree \xC3\xB1\nlast";
  for (std::size_t piece_bytes = 1; piece_bytes <= text.size(); ++piece_bytes) {
    LineSplitter splitter;
    std::vector<std::string> lines;
    const auto keep = [&](std::string_view line) {
      lines.emplace_back(line);
      return true;
    };
    ASSERT_TRUE(feed(text, piece_bytes, [&](std::string_view piece) {
                  return splitter.push(piece, keep);
                }).ok());
    ASSERT_TRUE(splitter.finish(keep).ok());
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "two", "three \xC3\xB1", "last"}));
  }
}

TEST(LineSplitter, RefusesALineOverItsBound) {
  LineSplitter splitter(10);
  const auto ignore = [](std::string_view) { return true; };
  EXPECT_TRUE(splitter.push("1234567890\n12345", ignore).ok());
  EXPECT_EQ(splitter.push("678901", ignore).code(), Code::kResourceExhausted);
}

TEST(LineSplitter, StopsWhenTheReaderSaysNo) {
  LineSplitter splitter;
  int num_lines = 0;
  EXPECT_EQ(splitter.push("a\nb\nc\n", [&](std::string_view) { return ++num_lines < 2; }).code(),
            Code::kCancelled);
  EXPECT_EQ(num_lines, 2);
}

TEST(ServerSentEventParser, FindsTheSameEventsHoweverTheBytesAreChopped) {
  const std::string text =
      "\xEF\xBB\xBF: a comment\ndata: {\"a\":1}\n\nevent: error\ndata:one\ndata: two\nretry: "
      "5\n\n\n"
      "id: 7\r\ndata\r\n\r\ndata: [DONE]\n\ndata: never ended";
  for (std::size_t piece_bytes = 1; piece_bytes <= text.size(); ++piece_bytes) {
    ServerSentEventParser parser;
    std::vector<std::string> events;
    const auto keep = [&](const ServerSentEvent& event) {
      events.push_back(event.event + "|" + event.data + "|" + event.id);
      return true;
    };
    ASSERT_TRUE(feed(text, piece_bytes, [&](std::string_view piece) {
                  return parser.push(piece, keep);
                }).ok());
    EXPECT_EQ(events, (std::vector<std::string>{"message|{\"a\":1}|", "error|one\ntwo|",
                                                "message||7", "message|[DONE]|7"}));
  }
}

TEST(ServerSentEventParser, RefusesAnEventOverItsBound) {
  ServerSentEventParser parser(100);
  std::string text;
  for (int i = 0; i < 20; ++i) text += "data: 0123456789\n";
  EXPECT_EQ(parser.push(text, [](const ServerSentEvent&) { return true; }).code(),
            Code::kResourceExhausted);
}

TEST(ServerSentEventParser, StopsWhenTheReaderSaysNo) {
  ServerSentEventParser parser;
  EXPECT_EQ(
      parser.push("data: x\n\ndata: y\n\n", [](const ServerSentEvent&) { return false; }).code(),
      Code::kCancelled);
}

}  // namespace
}  // namespace panal::net
