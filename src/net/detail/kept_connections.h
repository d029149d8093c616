// Connections between two requests: open, silent, and nobody's. They are bare descriptors, so that
// any event loop can take them on.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace panal::net::detail {

/// Thread-safe. The destructor closes what is left.
class KeptConnections {
 public:
  struct Connection {
    int descriptor = -1;
    int family = 0;  // AF_UNIX, AF_INET or AF_INET6.
  };

  KeptConnections(std::size_t max_connections, std::chrono::milliseconds deadline, Clock& clock)
      : max_connections_(max_connections), deadline_(deadline), clock_(clock) {}
  ~KeptConnections();
  KeptConnections(const KeptConnections&) = delete;
  KeptConnections& operator=(const KeptConnections&) = delete;

  /// The one used last, owned by the caller from now on. What was kept too long, or was closed or
  /// written to by the other side, is closed.
  std::optional<Connection> take();
  /// Keeps a connection, or closes it when there are enough.
  void keep(Connection connection);

 private:
  struct Idle {
    Connection connection;
    Nanoseconds since;
  };
  const std::size_t max_connections_;
  const std::chrono::milliseconds deadline_;
  Clock& clock_;
  Mutex mutex_;
  std::vector<Idle> idle_ PANAL_GUARDED_BY(mutex_);  // The oldest first.
};

}  // namespace panal::net::detail
