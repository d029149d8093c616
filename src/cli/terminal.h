// What a person sees: progress on standard error (one moving line on a terminal, plain lines
// elsewhere), results on standard output, or with --json nothing but one JSON document there. A
// result that could not be written is remembered, so that no command succeeds without its output.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/timing.h"
#include "store/file_system.h"

namespace panal::cli {

/// Whether progress may move: standard error is a terminal that knows escape codes, and nobody
/// asked for plain text (NO_COLOR, TERM=dumb).
bool draws_on_standard_error();

struct TerminalOptions {
  bool json = false;   // Nothing but one JSON document on the output.
  bool draws = false;  // Moving lines and bold headings on standard error.
};

/// One thread at a time. Nothing that fails on standard error is an error.
class Terminal {
 public:
  /// Results go to `output`. `clock` must outlive the terminal.
  Terminal(const TerminalOptions& options, const Clock& clock,
           std::unique_ptr<store::OutputFile> output);

  bool json() const { return options_.json; }
  /// A line of the result; nothing with --json.
  void print(std::string_view line);
  /// Text of the result without a line end, at once: an answer that grows.
  void stream(std::string_view text);
  /// Text that is no result, with or without --json: help, the version.
  void print_plain(std::string_view text);
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
  /// What became of everything written to the output so far: the first error stays, and nothing is
  /// written after it.
  const Status& output_status() const { return output_status_; }
  /// Closes the output and says what became of it. Call once, last.
  Status close();
  /// Columns padded to their widest cell; the first row is the head.
  void table(const std::vector<std::vector<std::string>>& rows);

 private:
  void write(std::string_view text);

  const TerminalOptions options_;
  const Clock& clock_;
  const std::unique_ptr<store::OutputFile> output_;
  Status output_status_;
  bool line_is_open_ = false;
  std::optional<Nanoseconds> last_drawn_;  // Steady time of the moving line.
};

/// "1.3 MB", "540 kB".
std::string shown_bytes(std::uint64_t num_bytes);
/// "134.5 M", "5.8 M", "812".
std::string shown_count(double count);

}  // namespace panal::cli
