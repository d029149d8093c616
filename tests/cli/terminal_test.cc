// What is printed where, and that nothing which could not be printed is forgotten.
#include "cli/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace panal::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Keeps what was written; from `room` bytes on there is no space left.
class Paper final : public store::OutputFile {
 public:
  Paper(std::string& text, std::size_t room, Status on_close)
      : text_(text), room_(room), on_close_(std::move(on_close)) {}
  Status write(std::string_view bytes) override {
    if (text_.size() + bytes.size() > room_) return Status(Code::kResourceExhausted, "full");
    text_ += bytes;
    return Status();
  }
  Status sync() override { return Status(); }
  Status close() override { return on_close_; }

 private:
  std::string& text_;  // Outlives the paper.
  const std::size_t room_;
  const Status on_close_;
};

struct Desk {
  explicit Desk(const TerminalOptions& options, std::size_t room = 1000, Status on_close = {})
      : terminal(options, clock, std::make_unique<Paper>(printed, room, std::move(on_close))) {}
  std::string printed;
  ManualClock clock;
  Terminal terminal;
};

TEST(Terminal, PrintsResultsOrOneDocument) {
  Desk plain({.json = false});
  plain.terminal.print("a line");
  plain.terminal.stream("part");
  plain.terminal.print_json("{}");
  EXPECT_EQ(plain.printed, "a line\npart");
  Desk json({.json = true});
  json.terminal.print("a line");
  json.terminal.stream("part");
  json.terminal.print_json("{}");
  EXPECT_EQ(json.printed, "{}\n");
}

TEST(Terminal, RemembersTheFirstOutputThatFailedAndPrintsNothingAfterIt) {
  Desk desk({}, 8);
  desk.terminal.print("1234567");
  EXPECT_TRUE(desk.terminal.output_status().ok());
  desk.terminal.print("8");
  desk.terminal.stream("");
  EXPECT_EQ(desk.terminal.output_status().message(), "full");
  EXPECT_EQ(desk.terminal.close().message(), "full");
  EXPECT_EQ(desk.printed, "1234567\n");
}

TEST(Terminal, ReportsWhatTheSystemSaysOnlyWhenItCloses) {
  Desk desk({}, 1000, Status(Code::kUnavailable, "quota"));
  desk.terminal.print("x");
  EXPECT_TRUE(desk.terminal.output_status().ok());
  EXPECT_EQ(desk.terminal.close().message(), "quota");
}

TEST(Terminal, DrawsOneLineThatMovesWhereCodesAreKnown) {
  Desk desk({.draws = true});
  testing::internal::CaptureStderr();
  desk.terminal.heading("Title");
  desk.terminal.progress(0.5, "working");
  desk.terminal.progress(0.6, "too soon");
  desk.clock.advance(std::chrono::milliseconds(100));
  desk.terminal.progress(0.7, "further");
  desk.terminal.end_progress();
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, HasSubstr("\033[1mTitle\033[0m"));
  EXPECT_THAT(told, HasSubstr("\r\033[K"));
  EXPECT_THAT(told, HasSubstr("further"));
  EXPECT_THAT(told, Not(HasSubstr("too soon")));
}

TEST(Terminal, WritesPlainLinesElsewhere) {
  Desk desk({.draws = false});
  testing::internal::CaptureStderr();
  desk.terminal.heading("Title");
  desk.terminal.progress(0.5, "working");
  desk.clock.advance(std::chrono::seconds(1));
  desk.terminal.progress(0.6, "too soon");
  desk.clock.advance(std::chrono::seconds(4));
  desk.terminal.progress(-1, "further");
  desk.terminal.end_progress();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "\nTitle\n   50 %  working\n  further\n");
}

TEST(Terminal, AlignsColumnsByCharactersNotBytes) {
  Desk desk({});
  desk.terminal.table({{"NAME", "SIZE"}, {"ñandú", "1"}, {"x", "2"}});
  EXPECT_EQ(desk.printed, "  NAME   SIZE\n  ñandú  1\n  x      2\n");
}

TEST(Terminal, ShowsSizesWithThreeDigitsAtMost) {
  EXPECT_EQ(shown_bytes(999), "999 B");
  EXPECT_EQ(shown_bytes(540'000), "540 kB");
  EXPECT_EQ(shown_bytes(1'300'000), "1.3 MB");
  EXPECT_EQ(shown_count(134.5e6), "134.5 M");
}

}  // namespace
}  // namespace panal::cli
