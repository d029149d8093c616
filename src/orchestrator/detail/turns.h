// Texts that grow at the same time come out one after the other: the first live, the others from
// their buffers when it is their turn. Whoever adds something delivers what became due, unless
// somebody is delivering already, so no thread waits for another.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"

namespace panal::orchestrator::detail {

class Turns {
 public:
  /// `open` gives the text before a part, `close` what follows it when it is closed; both are asked
  /// when it is the part's turn. `deliver` gets all text in order, one call at a time, with no lock
  /// held; false from it means that nobody listens any more. `finished` is called once, after the
  /// last part.
  struct Callbacks {
    std::function<std::string(std::size_t part)> open, close;
    std::function<bool(std::string_view text)> deliver;
    std::function<void()> finished;
  };
  Turns(std::size_t num_parts, Callbacks callbacks)
      : callbacks_(std::move(callbacks)), parts_(num_parts) {}

  void add(std::size_t part, std::string_view text);
  /// Throws away what was not delivered. False when some of the part was: it cannot be taken back.
  bool take_back(std::size_t part);
  /// No more text will come for this part. Once per part, whatever happened.
  void close(std::size_t part);

 private:
  struct Part {
    std::string waiting;
    bool was_delivered = false;
    bool is_closed = false;
  };
  void deliver_what_is_due();

  const Callbacks callbacks_;
  Mutex mutex_;
  std::vector<Part> parts_ PANAL_GUARDED_BY(mutex_);
  std::size_t turn_ PANAL_GUARDED_BY(mutex_) = 0;  // Whose text goes out now.
  bool is_open_ PANAL_GUARDED_BY(mutex_) = false;  // Its opening is out.
  bool is_delivering_ PANAL_GUARDED_BY(mutex_) = false;
  bool is_finished_ PANAL_GUARDED_BY(mutex_) = false;
};

}  // namespace panal::orchestrator::detail
