#include "net/stream_parsers.h"

#include <fmt/format.h>

#include <utility>

namespace panal::net {
namespace {

std::string_view without_carriage_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Status cancelled() { return Status(Code::kCancelled, "the reader of the stream stopped it"); }

}  // namespace

Status LineSplitter::push(std::string_view bytes, const LineCallback& on_line) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > max_line_bytes_) {
      return Status(Code::kResourceExhausted,
                    fmt::format("stream: a line is longer than {} bytes", max_line_bytes_));
    }
    if (end == std::string_view::npos) {
      partial_.append(piece);
      return Status();
    }
    bytes.remove_prefix(end + 1);
    bool wants_more = true;
    if (partial_.empty()) {
      wants_more = on_line(without_carriage_return(piece));
    } else {
      const std::string line = std::exchange(partial_, {}).append(piece);
      wants_more = on_line(without_carriage_return(line));
    }
    if (!wants_more) return cancelled();
  }
  return Status();
}

Status LineSplitter::finish(const LineCallback& on_line) {
  if (partial_.empty()) return Status();
  const std::string line = std::exchange(partial_, {});
  return on_line(without_carriage_return(line)) ? Status() : cancelled();
}

Status ServerSentEventParser::push(std::string_view bytes, const EventCallback& on_event) {
  Status problem;
  const Status split = lines_.push(bytes, [&](std::string_view line) {
    problem = take_line(line, on_event);
    return problem.ok();
  });
  return problem.ok() ? split : problem;
}

Status ServerSentEventParser::take_line(std::string_view line, const EventCallback& on_event) {
  if (std::exchange(at_start_, false) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  if (line.empty()) {
    ServerSentEvent event = std::exchange(current_, {.event = "", .data = "", .id = current_.id});
    if (!std::exchange(has_data_, false)) return Status();
    if (event.event.empty()) event.event = "message";
    return on_event(event) ? Status() : cancelled();
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (current_.data.size() + value.size() + 1 > max_event_bytes_) {
      return Status(Code::kResourceExhausted,
                    fmt::format("stream: an event is longer than {} bytes", max_event_bytes_));
    }
    if (has_data_) current_.data += '\n';
    current_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    current_.event = value;
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    current_.id = value;
  }
  return Status();
}

}  // namespace panal::net
