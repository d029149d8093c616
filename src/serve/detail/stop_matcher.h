// Finds stop strings in text that arrives in pieces, and lets no byte out that may still turn out
// to belong to one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace panal::serve::detail {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// The text that is now certain to be part of the answer. After a stop was found it is what stood
  /// before the stop that begins first, and stopped() is true.
  std::string push(std::string_view text);
  /// What was held back, when the answer ends without a stop.
  std::string flush();
  bool stopped() const { return stopped_; }

 private:
  /// Bytes at the end of held_ that could be the beginning of a stop.
  std::size_t undecided_bytes() const;

  const std::vector<std::string> stops_;  // None empty.
  std::string held_;
  bool stopped_ = false;
};

}  // namespace panal::serve::detail
