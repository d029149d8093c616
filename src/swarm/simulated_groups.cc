#include <fmt/format.h>
#include <sys/socket.h>

#include "swarm/detail/group_state.h"

namespace panal::swarm {

Result<std::vector<Group>> simulated_groups(int size, std::chrono::milliseconds deadline,
                                            SimulatedFault fault, std::size_t buffer_bytes,
                                            Clock& clock) {
  const auto n = static_cast<std::size_t>(size);
  std::vector<std::vector<detail::Descriptor>> control(n);
  for (auto& row : control) row.resize(n);
  std::vector<detail::Descriptor> lines(n);  // Line r leads from rank r to the next one.
  for (std::size_t i = 0; i < n; ++i) {
    PANAL_ASSIGN(lines[i], detail::make_shared_line(buffer_bytes));
    for (std::size_t j = i + 1; j < n; ++j) {
      int pair[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return Status(Code::kResourceExhausted, "cannot make the sockets of simulated ranks");
      }
      control[i][j] = detail::Descriptor(pair[0]);
      control[j][i] = detail::Descriptor(pair[1]);
    }
  }
  std::vector<Group> groups;
  for (std::size_t i = 0; i < n; ++i) {
    auto state = std::make_unique<Group::State>();
    state->deadline = deadline;
    state->clock = &clock;
    if (size > 1) {
      PANAL_ASSIGN(state->ring,
                   detail::make_local_ring(static_cast<int>(i), std::move(control[i]), lines[i],
                                           lines[(i + n - 1) % n], deadline, clock, fault));
    }
    groups.emplace_back(std::move(state));
  }
  return groups;
}

}  // namespace panal::swarm
