// Events are lines of their own on the output the program was started with, whatever libraries
// print.
#include "engine/event_writer.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>
#include <thread>
#include <vector>

namespace panal::engine {
namespace {

// What `write` makes of standard output in a process of its own.
std::vector<work::JobEvent> events_of(const std::function<void(EventWriter&)>& write) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    EventWriter events;
    std::puts("a library's own words");
    std::fflush(stdout);
    write(events);
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(count));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  std::vector<work::JobEvent> events;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    events.push_back(work::parse<work::JobEvent>(line, "line").value());
  return events;
}

TEST(EventWriter, WritesAnObjectPerLine) {
  const auto events = events_of([](EventWriter& writer) {
    writer.write({work::JobMessage{"two\nlines"}});
    writer.result(Json{{"loss", 1.5}});
    writer.error(Status(Code::kNotFound, "gone"));
  });
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(std::get<work::JobMessage>(events[0].event).text, "two\nlines");
  EXPECT_EQ(std::get<work::JobDone>(events[1].event).result.at("loss"), 1.5);
  EXPECT_EQ(std::get<work::Failure>(events[2].event).status().message(), "gone");
  EXPECT_EQ(std::get<work::Failure>(events[2].event).status().code(), Code::kNotFound);
}

TEST(EventWriter, KeepsLinesWholeWhenThreadsWriteAtOnce) {
  const std::string text(3000, 'x');
  const auto events = events_of([&](EventWriter& writer) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 25; ++j) writer.write({work::JobText{text}});
      });
    }
  });
  ASSERT_EQ(events.size(), 100u);
  for (const auto& event : events) EXPECT_EQ(std::get<work::JobText>(event.event).text, text);
}

}  // namespace
}  // namespace panal::engine
