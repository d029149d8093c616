// Texts that grow at the same time are read one after the other: part 1 live, the others from their
// buffers. Writers are many threads, the reader is one; a buffer that is full makes its writer
// wait, so memory is bounded.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace panal::orchestrator::detail {

class OrderedText {
 public:
  /// max_bytes: of one part's unread text; a single longer piece still passes.
  OrderedText(std::size_t num_parts, std::size_t max_bytes)
      : parts_(num_parts), max_bytes_(max_bytes) {}

  /// Waits while the part's buffer is full, until the reader took it or `stop` is requested.
  void write(std::size_t part, std::string_view text, std::stop_token stop);
  /// Says that the part's expert took it on. Any text says so too.
  void admit(std::size_t part);
  /// Throws away what nobody has read. False when some of the part was read: it cannot be taken
  /// back.
  bool take_back(std::size_t part);
  /// No more text will come for this part. Call once per part, whatever happened.
  void close(std::size_t part);

  /// Waits until an expert took the part on; false when it was closed without.
  bool starts(std::size_t part);
  /// The next text of this part; empty optional when it is closed and read. Waits for a writer.
  std::optional<std::string> read(std::size_t part);

 private:
  struct Part {
    std::string unread;
    bool was_admitted = false;
    bool was_read = false;
    bool is_closed = false;
  };
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Part> parts_;  // Guarded by mutex_.
  const std::size_t max_bytes_;
};

}  // namespace panal::orchestrator::detail
