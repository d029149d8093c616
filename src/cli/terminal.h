// What a person sees: progress on standard error (one moving line on a terminal, plain lines
// elsewhere), results on standard output, or with --json nothing but one JSON document there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/timing.h"

namespace panal::cli {

/// One thread at a time.
class Terminal {
 public:
  /// The clock, which spaces what moves, outlives the terminal.
  explicit Terminal(bool json, const Clock& clock = system_clock());

  bool json() const { return json_; }
  /// A line of the result; nothing with --json.
  void print(std::string_view line);
  /// Text of the result without a line end, at once: an answer that grows.
  void stream(std::string_view text);
  /// The result document of --json; nothing without it.
  void print_json(std::string_view document);
  /// A line about what is going on.
  void note(std::string_view line);
  /// A heading of a long job: "3 of 7  Partition the data".
  void heading(std::string_view title);
  /// How far it is: fraction from 0 to 1, or under 0 when nobody knows. Drawn at most some times a
  /// second.
  void progress(double fraction, std::string_view text);
  /// Ends the moving line.
  void end_progress();
  /// Columns padded to their widest cell; the first row is the head.
  void table(const std::vector<std::vector<std::string>>& rows);

 private:
  const bool json_;
  const bool is_terminal_;
  const Clock& clock_;
  bool line_is_open_ = false;
  std::optional<Nanoseconds> last_drawn_;
};

/// "1.3 MB", "540 kB".
std::string shown_bytes(std::uint64_t num_bytes);
/// "134.5 M", "5.8 M", "812".
std::string shown_count(double count);

}  // namespace panal::cli
