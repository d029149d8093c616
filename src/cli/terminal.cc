#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace panal::cli {
namespace {

constexpr int kBarWidth = 24;

// Characters, not bytes: labels carry accents.
std::size_t shown_width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// Whether it was written or not: what is told there is told to a person, if one listens.
void tell(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

}  // namespace

bool draws_on_standard_error() {
  const char* terminal = std::getenv("TERM");
  const bool knows_codes = is_set("TERM") && std::string_view(terminal) != "dumb";
  return knows_codes && !is_set("NO_COLOR") && isatty(STDERR_FILENO) == 1;
}

Terminal::Terminal(const TerminalOptions& options, const Clock& clock,
                   std::unique_ptr<store::OutputFile> output)
    : options_(options), clock_(clock), output_(std::move(output)) {}

void Terminal::write(std::string_view text) {
  if (output_status_.ok()) output_status_ = output_->write(text);
}

Status Terminal::close() {
  end_progress();
  const Status closed = output_->close();
  if (output_status_.ok()) output_status_ = closed;
  return output_status_;
}

void Terminal::print(std::string_view line) {
  if (options_.json) return;
  end_progress();
  write(std::string(line) + "\n");
}

void Terminal::stream(std::string_view text) {
  if (options_.json) return;
  end_progress();
  write(text);
}

void Terminal::print_plain(std::string_view text) {
  end_progress();
  write(text);
}

void Terminal::print_json(std::string_view document) {
  if (!options_.json) return;
  write(std::string(document) + "\n");
}

void Terminal::note(std::string_view line) {
  end_progress();
  tell(fmt::format("  {}\n", line));
}

void Terminal::heading(std::string_view title) {
  end_progress();
  tell(options_.draws ? fmt::format("\n\033[1m{}\033[0m\n", title) : fmt::format("\n{}\n", title));
}

void Terminal::progress(double fraction, std::string_view text) {
  const Nanoseconds now = clock_.steady_now();
  const auto pause =
      options_.draws ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (last_drawn_ && now - *last_drawn_ < pause) return;
  last_drawn_ = now;
  if (!options_.draws) {
    tell(fmt::format("  {}{}\n", fraction >= 0 ? fmt::format("{:3.0f} %  ", 100 * fraction) : "",
                     text));
    return;
  }
  std::string bar;
  if (fraction >= 0) {
    const int full = std::clamp(static_cast<int>(fraction * kBarWidth), 0, kBarWidth);
    for (int i = 0; i < kBarWidth; ++i) bar += i < full ? "█" : "░";
    bar += fmt::format(" {:3.0f} %  ", 100 * fraction);
  }
  tell(fmt::format("\r\033[K  {}{}", bar, text));
  line_is_open_ = true;
}

void Terminal::end_progress() {
  if (line_is_open_) tell("\r\033[K");
  line_is_open_ = false;
  last_drawn_.reset();
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
