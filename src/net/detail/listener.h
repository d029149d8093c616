// Opens the listening socket: bound, listening, non-blocking and not inherited by child processes.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "net/http_server.h"

namespace panal::net::detail {

struct Listener {
  int descriptor = -1;       // The caller closes it.
  std::uint16_t port = 0;    // What was bound; 0 for a unix socket.
  std::uint64_t device = 0;  // Of the socket file, so that only our own is removed later.
  std::uint64_t inode = 0;
};

/// Errors: kConflict when somebody listens there already, kInvalidArgument, kUnavailable.
Result<Listener> open_listener(const HttpServerOptions& options);
/// Removes the socket file if it is still the one that `listener` made.
void remove_socket_file(const Listener& listener, const std::string& path);

/// Lets this process have `wanted` descriptors, or as many as the machine grants it: the usual
/// limit of 1,024 is fewer than a server may have connections.
void raise_descriptor_limit(std::size_t wanted);

}  // namespace panal::net::detail
