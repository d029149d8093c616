#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace panal::cli {
namespace {

constexpr int kBarWidth = 24;

// Characters, not bytes: labels carry accents.
std::size_t shown_width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

Terminal::Terminal(bool json, const Clock& clock)
    : json_(json), is_terminal_(isatty(STDERR_FILENO) == 1), clock_(clock) {}

void Terminal::print(std::string_view line) {
  if (json_) return;
  end_progress();
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void Terminal::stream(std::string_view text) {
  if (json_) return;
  end_progress();
  fmt::print("{}", text);
  std::fflush(stdout);
}

void Terminal::print_json(std::string_view document) {
  if (!json_) return;
  fmt::print("{}\n", document);
  std::fflush(stdout);
}

void Terminal::note(std::string_view line) {
  end_progress();
  fmt::print(stderr, "  {}\n", line);
}

void Terminal::heading(std::string_view title) {
  end_progress();
  fmt::print(stderr, "\n{}{}{}\n", is_terminal_ ? "\033[1m" : "", title,
             is_terminal_ ? "\033[0m" : "");
}

void Terminal::progress(double fraction, std::string_view text) {
  const Nanoseconds now = clock_.steady_now();
  const auto pause =
      is_terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (last_drawn_ && now - *last_drawn_ < pause) return;
  last_drawn_ = now;
  if (!is_terminal_) {
    fmt::print(stderr, "  {}{}\n", fraction >= 0 ? fmt::format("{:3.0f} %  ", 100 * fraction) : "",
               text);
    return;
  }
  std::string bar;
  if (fraction >= 0) {
    const int full = std::clamp(static_cast<int>(fraction * kBarWidth), 0, kBarWidth);
    for (int i = 0; i < kBarWidth; ++i) bar += i < full ? "█" : "░";
    bar += fmt::format(" {:3.0f} %  ", 100 * fraction);
  }
  fmt::print(stderr, "\r\033[K  {}{}", bar, text);
  std::fflush(stderr);
  line_is_open_ = true;
}

void Terminal::end_progress() {
  if (line_is_open_) fmt::print(stderr, "\r\033[K");
  line_is_open_ = false;
  last_drawn_ = {};
}

void Terminal::table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], shown_width(row[i]));
  }
  for (const auto& row : rows) {
    std::string line = "  ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - shown_width(row[i]) + 2, ' ');
    }
    print(line);
  }
}

std::string shown_bytes(std::uint64_t num_bytes) {
  const double bytes = static_cast<double>(num_bytes);
  if (bytes < 1e3) return fmt::format("{} B", num_bytes);
  if (bytes < 1e6) return fmt::format("{:.0f} kB", bytes / 1e3);
  if (bytes < 1e9) return fmt::format("{:.1f} MB", bytes / 1e6);
  return fmt::format("{:.2f} GB", bytes / 1e9);
}

std::string shown_count(double count) {
  if (count < 1e3) return fmt::format("{:.0f}", count);
  if (count < 1e6) return fmt::format("{:.1f} k", count / 1e3);
  if (count < 1e9) return fmt::format("{:.1f} M", count / 1e6);
  return fmt::format("{:.2f} G", count / 1e9);
}

}  // namespace panal::cli
