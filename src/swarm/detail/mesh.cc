#include "swarm/detail/mesh.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace panal::swarm::detail {
namespace {

// Wakes beyond this many unsent bytes say nothing new.
constexpr std::size_t kMostUnsentBytes = 64 * sizeof(Note);

}  // namespace

Mesh::Mesh(int rank, std::vector<Descriptor> peers)
    : rank_(rank), peers_(peers.size()), unsent_(peers.size()) {
  for (std::size_t i = 0; i < peers.size(); ++i) {
    peers_[i].socket = std::move(peers[i]);
    const int number = peers_[i].socket.number();
    if (number >= 0) fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK);
  }
}

void Mesh::send(int to, const Note& note) {
  const Descriptor& socket = peers_[static_cast<std::size_t>(to)].socket;
  const MutexLock lock(send_mutex_);
  if (!socket.is_open()) return;
  std::string& unsent = unsent_[static_cast<std::size_t>(to)];
  if (note.kind == NoteKind::kWake && unsent.size() >= kMostUnsentBytes) return;
  unsent.append(reinterpret_cast<const char*>(&note), sizeof note);
  const ssize_t count =
      ::send(socket.number(), unsent.data(), unsent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  // A broken connection shows when it is read.
  if (count > 0) unsent.erase(0, static_cast<std::size_t>(count));
}

void Mesh::send_all(const Note& note) {
  for (int to = 0; to < size(); ++to) {
    if (to != rank_) send(to, note);
  }
}

void Mesh::add_waits(std::vector<pollfd>& waits) const {
  for (const Peer& peer : peers_) {
    if (peer.socket.is_open() && !peer.is_closed) {
      waits.push_back({peer.socket.number(), POLLIN, 0});
    }
  }
}

void Mesh::take(Peer& peer, int from, const Note& note) {
  switch (note.kind) {
    case NoteKind::kWake:
      return;
    case NoteKind::kAlive:
      alive_ = true;
      peer.waiting.reset();
      return;
    case NoteKind::kWaiting:
      question_ = true;
      peer.waiting = note;
      return;
    case NoteKind::kGoesOn:
      peer.waiting.reset();
      return;
    case NoteKind::kLeft:
      peer.left_after = note.sequence;
      return;
    case NoteKind::kLost:
      if (note.rank < peers_.size() && !reported_) {
        reported_ = Loss{.rank = static_cast<int>(note.rank), .reporter = from};
      }
      return;
  }
  peer.is_closed = true;  // A note nobody knows: not one of us.
}

void Mesh::read() {
  for (int from = 0; from < size(); ++from) {
    Peer& peer = peers_[static_cast<std::size_t>(from)];
    while (peer.socket.is_open() && !peer.is_closed) {
      const ssize_t count = recv(peer.socket.number(), peer.partial.data() + peer.partial_bytes,
                                 peer.partial.size() - peer.partial_bytes, MSG_DONTWAIT);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (count <= 0) {
        peer.is_closed = true;
        break;
      }
      peer.partial_bytes += static_cast<std::size_t>(count);
      if (peer.partial_bytes < sizeof(Note)) continue;
      peer.partial_bytes = 0;
      Note note;
      std::memcpy(&note, peer.partial.data(), sizeof note);
      take(peer, from, note);
    }
  }
}

void Mesh::close() {
  const MutexLock lock(send_mutex_);
  for (Peer& peer : peers_) peer.socket.reset();
}

std::optional<Loss> Mesh::loss(std::uint64_t sequence) const {
  if (reported_) return reported_;
  for (int from = 0; from < size(); ++from) {
    const Peer& peer = peers_[static_cast<std::size_t>(from)];
    const bool has_finished = peer.left_after && *peer.left_after >= sequence;
    if (peer.is_closed && !has_finished) return Loss{.rank = from, .reporter = rank_};
  }
  return std::nullopt;
}

std::optional<int> Mesh::waits_for(int rank) const {
  const auto& waiting = peers_[static_cast<std::size_t>(rank)].waiting;
  if (!waiting || waiting->rank >= peers_.size()) return std::nullopt;
  return static_cast<int>(waiting->rank);
}

bool Mesh::take_alive() { return std::exchange(alive_, false); }
bool Mesh::take_question() { return std::exchange(question_, false); }

}  // namespace panal::swarm::detail
