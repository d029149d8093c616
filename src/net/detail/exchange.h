// One request and its answer, between two threads: whoever answers puts bytes in, the input/output
// thread takes them out. The buffer between them is bounded; when the peer leaves, both sides learn
// it here.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "net/http_message.h"

namespace panal::net::detail {

/// Thread-safe.
class Exchange {
 public:
  struct Manner {
    bool is_head = false;            // No body leaves, whatever the handler says.
    bool knows_chunks = true;        // HTTP/1.1; an older peer gets the body up to the close.
    bool keep_alive = true;          // The connection may serve another request.
    std::size_t outgoing_bytes;      // Over this there is no room.
    std::size_t max_outgoing_bytes;  // Over this the peer is given up.
    const Clock& clock;              // For the Date header.
  };

  /// `wake` is called, on any thread and without a lock, when there is something to take or the
  /// answer's state changed.
  Exchange(HttpRequest request, Manner manner, std::function<void()> wake);

  /// What is written into a silence; `after` is 0 where silence may last.
  struct Silence {
    std::chrono::milliseconds after{0};
    std::string filler = {};
  };

  // The writer's side.
  const HttpRequest& request() const { return request_; }
  bool send(int status, const HttpHeaders& headers, std::string_view body);
  bool begin(int status, const HttpHeaders& headers);
  bool write(std::string_view chunk);
  bool end();
  void fill_silence(Silence silence);
  bool has_begun() const;
  bool has_room() const;
  void when_room(std::function<void()> then);
  bool wait_for_room();
  /// Nobody will write any more. Without an end before, the answer is broken.
  void drop();
  std::stop_token client_gone() const { return gone_.get_token(); }

  // The connection's side.
  /// The bytes to send now; empty when there are none. They count as waiting until the next call.
  std::string take();
  /// Nothing more will be sent: write() returns false from now on, client_gone() is requested.
  void mark_gone();

  enum class State {
    kOpen,        // More will come.
    kEnded,       // Everything was taken, the answer is whole.
    kUnanswered,  // Dropped before it began.
    kBroken,      // Dropped after it began.
    kOverrun,     // The peer let too much wait.
  };
  State state() const;
  Silence silence() const;
  bool keep_alive() const;

 private:
  enum class Phase { kNothing, kStreaming, kEnded };
  bool is_gone() const { return gone_.stop_requested(); }
  bool is_full() const PANAL_REQUIRES(mutex_) {
    return waiting_.size() + taken_bytes_ >= manner_.outgoing_bytes;
  }
  bool append(std::string_view bytes) PANAL_REQUIRES(mutex_);
  void tell_room() PANAL_EXCLUDES(mutex_);

  const HttpRequest request_;
  const Manner manner_;
  const std::function<void()> wake_;
  std::stop_source gone_;

  mutable Mutex mutex_;
  ConditionVariable room_;  // Signalled when bytes were taken, or the peer is gone.
  std::vector<std::function<void()>> wait_for_room_ PANAL_GUARDED_BY(mutex_);
  std::string waiting_ PANAL_GUARDED_BY(mutex_);
  std::size_t taken_bytes_ PANAL_GUARDED_BY(mutex_) = 0;  // With the connection, not yet sent.
  Phase phase_ PANAL_GUARDED_BY(mutex_) = Phase::kNothing;
  bool has_body_ PANAL_GUARDED_BY(mutex_) = true;  // False for HEAD, 204 and 304.
  bool keep_alive_ PANAL_GUARDED_BY(mutex_);
  Silence silence_ PANAL_GUARDED_BY(mutex_);
  bool is_dropped_ PANAL_GUARDED_BY(mutex_) = false;
  bool is_overrun_ PANAL_GUARDED_BY(mutex_) = false;
  bool is_awake_ PANAL_GUARDED_BY(mutex_) = false;  // Since wake_ was called, until take() runs.
};

/// Status line and headers up to the empty line. What could break the framing (line ends in values,
/// names that are no names, the framing headers themselves) is left out or made harmless.
std::string response_head(int status, const HttpHeaders& headers, bool keep_alive,
                          std::string_view framing, const Clock& clock);

}  // namespace panal::net::detail
