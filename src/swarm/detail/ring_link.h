// A rank's two neighbours as streams of bytes: what is written goes to the next rank, what is
// readable came from the previous one. Never blocks.
#pragma once

#include <poll.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "swarm/detail/descriptor.h"

namespace panal::swarm::detail {

enum class Neighbour { kNext, kPrevious };

class RingLink {
 public:
  virtual ~RingLink() = default;
  /// Takes what fits, perhaps nothing. Errors: kUnavailable when the next rank is gone.
  virtual Result<std::size_t> write_some(std::span<const std::byte> bytes) = 0;
  /// What has come and was not consumed, perhaps nothing; valid until consume(). Errors:
  /// kUnavailable when the previous rank is gone, kCorrupt when it broke the line.
  virtual Result<std::span<const std::byte>> readable() = 0;
  virtual void consume(std::size_t num_bytes) = 0;
  /// True when looking again without a sleep costs little and may find something.
  virtual bool is_worth_a_look() const = 0;
  virtual bool is_ready(bool wants_write, bool wants_read) = 0;
  /// Adds the descriptors whose readiness ends a sleep. False when a wish can be met already.
  virtual bool may_sleep(bool wants_write, bool wants_read, std::vector<pollfd>& waits) = 0;
};

/// Over connected stream sockets; they are made non-blocking.
std::unique_ptr<RingLink> make_socket_link(Descriptor next, Descriptor previous);

/// Memory for one line from a rank to its next one, to be handed over as a descriptor: sealed, so
/// that the other side cannot shrink it under this one.
Result<Descriptor> make_shared_line(std::size_t buffer_bytes);
/// Over two such lines. The previous rank's is checked: its size must be that of a line. `wake`
/// must end a neighbour's sleep: it is called when the neighbour said that it sleeps.
Result<std::unique_ptr<RingLink>> make_shared_memory_link(const Descriptor& next,
                                                          const Descriptor& previous,
                                                          std::function<void(Neighbour)> wake);

}  // namespace panal::swarm::detail
