// The held text is never longer than the longest stop, so plain searching is fast enough.
#include "serve/detail/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace panal::serve::detail {

std::string StopMatcher::push(std::string_view text) {
  if (stopped_) return {};
  held_ += text;
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    return std::exchange(held_, {}).substr(0, first);
  }
  const std::size_t num_certain = held_.size() - undecided_bytes();
  std::string certain = held_.substr(0, num_certain);
  held_.erase(0, num_certain);
  return certain;
}

std::string StopMatcher::flush() { return std::exchange(held_, {}); }

std::size_t StopMatcher::undecided_bytes() const {
  std::size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > longest; --n) {
      if (held_.ends_with(std::string_view(stop).substr(0, n))) longest = n;
    }
  }
  return longest;
}

}  // namespace panal::serve::detail
