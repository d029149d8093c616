// One condition variable for all: parts are few.
#include "orchestrator/detail/ordered_text.h"

#include <utility>

namespace panal::orchestrator::detail {

void OrderedText::write(std::size_t part, std::string_view text, std::stop_token stop) {
  if (text.empty()) return;
  std::unique_lock lock(mutex_);
  Part& own = parts_[part];
  const auto has_room = [&] {
    return own.unread.empty() || own.unread.size() + text.size() <= max_bytes_;
  };
  if (!changed_.wait(lock, stop, has_room)) return;  // Nobody reads any more.
  own.unread += text;
  own.was_admitted = true;
  changed_.notify_all();
}

void OrderedText::admit(std::size_t part) {
  const std::scoped_lock lock(mutex_);
  parts_[part].was_admitted = true;
  changed_.notify_all();
}

bool OrderedText::starts(std::size_t part) {
  std::unique_lock lock(mutex_);
  const Part& own = parts_[part];
  changed_.wait(lock, [&] { return own.was_admitted || own.is_closed; });
  return own.was_admitted;
}

bool OrderedText::take_back(std::size_t part) {
  const std::scoped_lock lock(mutex_);
  if (parts_[part].was_read) return false;
  parts_[part].unread.clear();
  return true;
}

void OrderedText::close(std::size_t part) {
  const std::scoped_lock lock(mutex_);
  parts_[part].is_closed = true;
  changed_.notify_all();
}

std::optional<std::string> OrderedText::read(std::size_t part) {
  std::unique_lock lock(mutex_);
  Part& own = parts_[part];
  changed_.wait(lock, [&] { return !own.unread.empty() || own.is_closed; });
  if (own.unread.empty()) return std::nullopt;
  own.was_read = true;
  changed_.notify_all();
  return std::exchange(own.unread, {});
}

}  // namespace panal::orchestrator::detail
