// The engine of all collectives: one stream out to the next rank, one in from the previous one,
// where what goes out may be no further than what has come in, plus a head start.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "swarm/detail/mesh.h"
#include "swarm/detail/ring_link.h"
#include "swarm/group.h"

namespace panal::swarm::detail {

enum class Call : std::uint32_t { kAllReduce = 1, kReduceScatter, kAllGather, kBroadcast };
std::string_view call_name(std::uint32_t call);

/// A stretch of the array, in bytes.
struct Piece {
  std::size_t begin = 0;
  std::size_t num_bytes = 0;
  bool adds = false;  // What comes in is added (float32) instead of copied.
};

struct Traffic {
  Call call = Call::kAllReduce;
  std::uint64_t layout = 0;       // Equal on all ranks that mean the same call.
  std::vector<Piece> sends{};     // In the order in which they go out.
  std::vector<Piece> receives{};  // Likewise.
  /// Sent bytes never exceed received bytes plus these.
  std::size_t head_start_bytes = 0;
};

class Ring {
 public:
  Ring(std::unique_ptr<Mesh> mesh, std::unique_ptr<RingLink> link,
       std::chrono::milliseconds deadline, Clock& clock, SimulatedFault fault = {});
  ~Ring();

  Status run(const Traffic& traffic, std::span<std::byte> data);
  /// Looks, without waiting, whether a rank is known to be lost.
  Status look_after_others();

  int rank() const { return mesh_->rank(); }
  int size() const { return mesh_->size(); }
  std::chrono::milliseconds deadline() const { return deadline_; }
  Clock& clock() const { return clock_; }
  void announce_life() { mesh_->send_all({.kind = NoteKind::kAlive}); }

 private:
  struct Progress;
  Status send_some(Progress& progress, std::span<std::byte> data);
  Status receive_some(Progress& progress, std::span<std::byte> data);
  bool look_for(bool wants_write, bool wants_read);
  Status wait(bool wants_write, bool wants_read);
  Status answer_notes(int awaited);
  Status known_loss();
  void tell_whom(int awaited);
  Status silence(int awaited);
  Status broken(int neighbour, const Status& status);
  Status lose(int lost, int reporter, std::string_view how);
  void sleep(std::chrono::milliseconds most, bool wants_write, bool wants_read);

  int next() const { return (rank() + 1) % size(); }
  int previous() const { return (rank() + size() - 1) % size(); }

  const std::unique_ptr<Mesh> mesh_;
  const std::unique_ptr<RingLink> link_;
  const std::chrono::milliseconds deadline_;
  Clock& clock_;
  const SimulatedFault fault_;
  std::uint64_t sequence_ = 0;  // Calls finished.
  std::uint64_t total_sent_bytes_ = 0;
  Nanoseconds last_progress_{0};
  int num_crowded_waits_ = 0;   // Without a look before the sleep.
  bool told_whom_ = false;      // In this call, whom this rank waits for.
  bool seems_waiting_ = false;  // To the others, since it told them.
  Status failure_;              // Of the first failed call, for all later ones.
};

/// A ring over shared lines; control[r] leads to rank r and wakes it.
Result<std::unique_ptr<Ring>> make_local_ring(int rank, std::vector<Descriptor> control,
                                              const Descriptor& next, const Descriptor& previous,
                                              std::chrono::milliseconds deadline, Clock& clock,
                                              SimulatedFault fault);

}  // namespace panal::swarm::detail
