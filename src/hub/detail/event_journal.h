// What a job told, kept beside it line by line, so that another process can follow it. A
// convenience: a line that cannot be written is lost, and nothing else.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "hub/event.h"

namespace panal::hub::detail {

/// The journal of a job in its folder.
std::filesystem::path journal_path(const std::filesystem::path& folder, const std::string& job_id);

/// One thread. Of progress it keeps at most one line a second, because nobody looks more often.
class EventJournal {
 public:
  /// The file is made with the first line: the folder may come later than the journal. `clock` must
  /// outlive it.
  EventJournal(std::filesystem::path path, std::string activity, Clock& clock)
      : path_(std::move(path)), activity_(std::move(activity)), clock_(clock) {}
  void write(const work::JobEvent& event);

 private:
  const std::filesystem::path path_;
  const std::string activity_;
  Clock& clock_;
  std::ofstream file_;
  std::optional<Nanoseconds> last_progress_;
};

/// Reads a journal that may still grow. One thread.
class JournalReader {
 public:
  explicit JournalReader(std::filesystem::path path) : path_(std::move(path)) {}
  /// Tells what is new since the last call. A line that is not whole yet waits for the next one.
  void read_new(const Watch& watch);

 private:
  const std::filesystem::path path_;
  std::streamoff position_ = 0;
};

}  // namespace panal::hub::detail
