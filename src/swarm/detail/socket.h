// Stream sockets for the meeting of ranks: addresses, and messages of bounded length with a
// deadline.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/timing.h"
#include "swarm/detail/descriptor.h"

namespace panal::swarm::detail {

/// Errors: kInvalidArgument unless it is "unix:/path" with a path that fits, or "tcp:host:port".
Status check_address(std::string_view address);
bool is_unix_address(std::string_view address);

/// Listens; a socket file gets mode 0600. "tcp:host:0" takes a free port.
Result<Descriptor> listen_at(const std::string& address);
/// The port of a listening TCP socket.
Result<int> port_of(const Descriptor& listener);
/// The host a TCP connection comes from, in numbers.
Result<std::string> host_of_peer(const Descriptor& connection);
/// Tries until it succeeds or the time is over.
Result<Descriptor> connect_to(const std::string& address, const Deadline& until);
Result<Descriptor> accept_from(const Descriptor& listener, const Deadline& until);

/// Four bytes of length, then JSON.
Status send_message(const Descriptor& socket, const Json& message, const Deadline& until);
/// Errors: kCorrupt for more than `most_bytes` or no JSON object, kUnavailable when it closed,
/// kDeadlineExceeded.
Result<Json> receive_message(const Descriptor& socket, std::size_t most_bytes,
                             const Deadline& until);

/// A descriptor through a unix socket.
Status send_descriptor(const Descriptor& socket, const Descriptor& sent);
Result<Descriptor> receive_descriptor(const Descriptor& socket, const Deadline& until);

}  // namespace panal::swarm::detail
