// Streams arrive chopped anywhere. These put lines (ndjson) and server-sent events together again,
// and refuse to remember more than a bound.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace panal::net {

/// Cuts bytes into lines at "\n" or "\r\n". Not thread-safe.
class LineSplitter {
 public:
  /// Receives one line without its end; returning false stops: push() returns kCancelled.
  using LineCallback = std::function<bool(std::string_view line)>;

  explicit LineSplitter(std::size_t max_line_bytes = 8 * 1024 * 1024)
      : max_line_bytes_(max_line_bytes) {}
  /// Errors: kResourceExhausted for a line over the bound, kCancelled.
  Status push(std::string_view bytes, const LineCallback& on_line);
  /// Delivers a last line that had no end.
  Status finish(const LineCallback& on_line);

 private:
  const std::size_t max_line_bytes_;
  std::string partial_;
};

struct ServerSentEvent {
  std::string event;  // "message" when the stream names none.
  std::string data;   // Several data lines are joined by "\n".
  std::string id;
};

/// Parses text/event-stream as the WHATWG specification says: comments and unknown fields are
/// ignored, an event that a blank line does not end is dropped. Not thread-safe.
class ServerSentEventParser {
 public:
  using EventCallback = std::function<bool(const ServerSentEvent& event)>;

  explicit ServerSentEventParser(std::size_t max_event_bytes = 8 * 1024 * 1024)
      : max_event_bytes_(max_event_bytes), lines_(max_event_bytes) {}
  /// Errors: kResourceExhausted for an event over the bound, kCancelled when the callback said no.
  Status push(std::string_view bytes, const EventCallback& on_event);

 private:
  Status take_line(std::string_view line, const EventCallback& on_event);

  const std::size_t max_event_bytes_;
  LineSplitter lines_;
  ServerSentEvent current_;
  bool has_data_ = false;
  bool at_start_ = true;
};

}  // namespace panal::net
