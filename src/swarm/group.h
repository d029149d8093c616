// Several processes act as one: a group of ranks that add up, hand round and collect arrays.
// Every rank of a group makes the same calls in the same order. Between processes of one machine
// the bytes go through shared memory, between machines through TCP.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/timing.h"

namespace panal::swarm {

struct GroupOptions {
  int rank = 0;  // 0 to size - 1; each rank once.
  int size = 1;  // 1 to 1024, the same on all ranks.
  /// Where rank 0 waits for the others: "unix:/path/of/socket" (one machine, shared memory) or
  /// "tcp:host:port" (plain bytes: for networks one trusts). A socket file is made with mode 0600
  /// and removed when all have come.
  std::string address;
  /// Who does not know it is sent away: 16 to 256 bytes, the same on all ranks.
  std::string token;
  /// Until all ranks must have come.
  std::chrono::milliseconds join_deadline{60'000};
  /// A rank that keeps others waiting for longer without a byte or a sign of life is lost.
  std::chrono::milliseconds deadline{60'000};
  /// Of each shared-memory line between neighbours: 4 KiB to 1 GiB, rounded up to a power of two.
  std::size_t buffer_bytes = 1 << 20;
};

/// One rank's place in a group. One thread at a time, except announce_life().
///
/// Collectives block until this rank has its result. Equal calls with equal numbers give equal
/// bits, on all ranks and in every run: each element is summed in the order of the ring, which
/// depends on the group's size and the element's place alone.
///
/// Errors of all collectives: kUnavailable names the rank that is lost (its connection closed, or
/// it kept the others waiting past the deadline), on every rank that is left; kConflict when a rank
/// made another call. After an error every further call returns it again, and the arrays hold
/// nothing of use.
///
/// Source of the ring: Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
/// workstations", 2009. We differ: no chunk size; a byte is passed on as soon as it has come.
class Group {
 public:
  /// Blocks until all ranks have joined. Errors: kInvalidArgument for options out of range,
  /// kUnavailable or kDeadlineExceeded when not all came (says how many, or who refused). The
  /// clock, which measures the deadlines, outlives the group.
  static Result<Group> join(const GroupOptions& options, Clock& clock = system_clock());

  Group(Group&&) noexcept;
  Group& operator=(Group&&) noexcept;
  ~Group();  // Leaves: others that still wait for this rank get an error.

  int rank() const;
  int size() const;

  /// Replaces `values` by the sum over all ranks. Cost per rank: sends and receives
  /// 2 (n - 1) / n of the bytes.
  Status all_reduce(std::span<float> values);
  /// The same for bfloat16 bits: summed in float32, rounded once to nearest even. Sums travel as
  /// float32: 3 (n - 1) / n of the float32 size. Scratch: 4 bytes per element.
  Status all_reduce_bfloat16(std::span<std::uint16_t> values);
  /// Rank r gets the sums of its part [ends[r - 1], ends[r]) (from 0 for rank 0); what it then
  /// finds elsewhere is of no use. `ends` ascends to values.size(), is the same on all ranks, and
  /// parts may be empty. Sends (n - 1) / n of the bytes.
  Status reduce_scatter(std::span<float> values, std::span<const std::size_t> ends);
  /// Every rank gets every part; rank r gives [ends[r - 1], ends[r]) of `values`.
  Status all_gather(std::span<float> values, std::span<const std::size_t> ends);
  Status all_gather_bytes(std::span<std::byte> values, std::span<const std::size_t> ends);
  /// Every rank gets what `root` has.
  Status broadcast(std::span<float> values, int root);
  Status broadcast_bytes(std::span<std::byte> values, int root);
  /// Returns when all ranks have called it.
  Status barrier();
  /// The sum of one number per rank, in the order of ranks.
  Result<double> sum(double value);

  /// Looks, without waiting, whether a rank is known to be lost: for ranks that wait for something
  /// else than this group, which the lost one would have given. Not collective. It cannot tell who
  /// is silent; a barrier() can. Cost: a system call per rank.
  Status look_after_others();

  /// Tells all others that this rank is busy, not lost: their deadlines start anew. Thread-safe
  /// while no collective runs on this rank.
  void announce_life();
  std::chrono::milliseconds deadline() const;
  /// What measures it.
  Clock& clock() const;

  struct State;
  explicit Group(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

/// The ends of `size` nearly equal parts of `count` elements.
std::vector<std::size_t> equal_parts(std::size_t count, int size);

/// For tests: what one simulated rank does wrong.
struct SimulatedFault {
  int rank = -1;                  // Whose; -1: nobody's.
  std::uint64_t after_bytes = 0;  // Sent by it.
  bool closes = true;             // Its connections close; otherwise it only falls silent.
};

/// For tests: all ranks of a group in this process, one thread each, over the same shared-memory
/// lines and the same failure handling as real ones. The faulty rank's own call returns kCancelled.
Result<std::vector<Group>> simulated_groups(int size, std::chrono::milliseconds deadline,
                                            SimulatedFault fault = {},
                                            std::size_t buffer_bytes = 4096,
                                            Clock& clock = system_clock());

}  // namespace panal::swarm
