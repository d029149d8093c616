#include "net/detail/kept_connections.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace panal::net::detail {
namespace {

// Between two requests a server has nothing to say: a byte, an end or an error makes it useless.
bool is_silent(int descriptor) {
  char byte = 0;
  return ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace

KeptConnections::~KeptConnections() {
  for (const Idle& idle : idle_) ::close(idle.connection.descriptor);
}

std::optional<KeptConnections::Connection> KeptConnections::take() {
  const MutexLock lock(mutex_);
  while (!idle_.empty()) {
    const Idle last = idle_.back();
    idle_.pop_back();
    if (clock_.steady_now() - last.since < deadline_ && is_silent(last.connection.descriptor)) {
      return last.connection;
    }
    ::close(last.connection.descriptor);
  }
  return std::nullopt;
}

void KeptConnections::keep(Connection connection) {
  const MutexLock lock(mutex_);
  if (idle_.size() >= max_connections_) {
    ::close(connection.descriptor);
    return;
  }
  idle_.push_back({.connection = connection, .since = clock_.steady_now()});
}

}  // namespace panal::net::detail
