// One control connection from each rank to each other: it wakes neighbours, tells who waits for
// whom, who is busy, who left and who is lost. That a process died shows here at once, because the
// system closes its connections.
#pragma once

#include <poll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "swarm/detail/descriptor.h"

namespace panal::swarm::detail {

/// What travels: 16 bytes.
enum class NoteKind : std::uint32_t {
  kWake = 1,     // Look at the lines again.
  kAlive = 2,    // The sender is busy: deadlines start anew.
  kWaiting = 3,  // The sender waits for `rank`.
  kLeft = 4,     // The sender ended in order after `sequence` calls.
  kLost = 5,     // The sender found that `rank` is lost.
  kGoesOn = 6,   // The sender no longer waits.
};
struct Note {
  NoteKind kind = NoteKind::kWake;
  std::uint32_t rank = 0;
  std::uint64_t sequence = 0;
};
static_assert(sizeof(Note) == 16, "notes are read as they were written");

struct Loss {
  int rank = 0;      // Who is lost.
  int reporter = 0;  // Who says so.
};

class Mesh {
 public:
  /// peers[r] is connected to rank r; peers[rank] is closed.
  Mesh(int rank, std::vector<Descriptor> peers);

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(peers_.size()); }

  /// Never blocks; a note that does not fit is sent with the next one. Thread-safe.
  void send(int to, const Note& note);
  void send_all(const Note& note);
  void add_waits(std::vector<pollfd>& waits) const;
  /// Takes in everything that has come.
  void read();
  void close();

  /// The first rank known to be lost in call `sequence`: by a report, or because its connection
  /// closed and it had not left in order after that call.
  std::optional<Loss> loss(std::uint64_t sequence) const;
  /// Whom a rank waits for, in this call or another: it may be a call behind or ahead. Nothing when
  /// it did not say, or goes on.
  std::optional<int> waits_for(int rank) const;
  /// True once after each sign of life.
  bool take_alive();
  /// True once after somebody said that he waits.
  bool take_question();

 private:
  struct Peer {
    Descriptor socket;
    bool is_closed = false;
    std::optional<std::uint64_t> left_after;
    std::optional<Note> waiting;
    std::array<std::byte, sizeof(Note)> partial{};  // A note that has come in part.
    std::size_t partial_bytes = 0;
  };
  void take(Peer& peer, int from, const Note& note);

  const int rank_;
  std::vector<Peer> peers_;
  Mutex send_mutex_;  // Also held while a socket is written to or closed.
  std::vector<std::string> unsent_ PANAL_GUARDED_BY(send_mutex_);  // By rank.
  std::optional<Loss> reported_;
  bool alive_ = false, question_ = false;
};

}  // namespace panal::swarm::detail
