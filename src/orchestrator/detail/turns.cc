#include "orchestrator/detail/turns.h"

#include <utility>

namespace panal::orchestrator::detail {

void Turns::add(std::size_t part, std::string_view text) {
  {
    const MutexLock lock(mutex_);
    parts_[part].waiting += text;
  }
  deliver_what_is_due();
}

bool Turns::take_back(std::size_t part) {
  const MutexLock lock(mutex_);
  if (parts_[part].was_delivered) return false;
  parts_[part].waiting.clear();
  return true;
}

void Turns::close(std::size_t part) {
  {
    const MutexLock lock(mutex_);
    parts_[part].is_closed = true;
  }
  deliver_what_is_due();
}

void Turns::deliver_what_is_due() {
  bool is_over = false;
  {
    const MutexLock lock(mutex_);
    if (is_delivering_) return;
    is_delivering_ = true;
    while (turn_ < parts_.size()) {
      Part& part = parts_[turn_];
      const std::size_t turn = turn_;
      std::string text;
      const bool opens = !is_open_;
      is_open_ = true;
      text.swap(part.waiting);
      part.was_delivered = part.was_delivered || !text.empty();
      const bool closes = part.is_closed;
      if (!opens && !closes && text.empty()) break;
      {
        const MutexUnlock unlocked(mutex_);
        if (opens) text.insert(0, callbacks_.open(turn));
        if (closes) text += callbacks_.close(turn);
        if (!text.empty()) callbacks_.deliver(text);
      }
      if (closes) {
        ++turn_;
        is_open_ = false;
      }
    }
    is_delivering_ = false;
    is_over = turn_ == parts_.size() && !std::exchange(is_finished_, true);
    if (turn_ < parts_.size()) is_finished_ = false;
  }
  if (is_over) callbacks_.finished();
}

}  // namespace panal::orchestrator::detail
