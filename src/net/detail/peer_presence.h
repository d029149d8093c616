// A peer that sent its last byte may still read, or it may have left: on the wire both look the
// same until something is written. On this machine the kernel knows which.
#pragma once

namespace panal::net::detail {

/// Whether nobody holds the other end of a connected stream socket any more: a unix peer that
/// closed, a reset connection, a TCP peer on this machine without a process. False when that cannot
/// be known: then the next write tells. Cost: a poll; for TCP on loopback also one pass over the
/// kernel's table of sockets.
bool peer_has_left(int descriptor);

}  // namespace panal::net::detail
