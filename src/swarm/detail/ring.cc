#include "swarm/detail/ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/yield.h"

namespace panal::swarm::detail {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSliceBytes = 128 << 10;  // Written in one go, so that both ways take turns.
constexpr std::size_t kAlignment = 32;          // Every call's stream is padded to it.
constexpr std::uint32_t kMagic = 0x316d7273;
constexpr int kYields = 64;         // Looks at the lines before a sleep.
constexpr int kCrowdedWaits = 256;  // Without looks, after one that took long.

// Opens every call's stream.
struct Opening {
  std::uint32_t magic = kMagic;
  std::uint32_t call = 0;
  std::uint64_t sequence = 0;
  std::uint64_t layout = 0;
  std::uint64_t unused = 0;
};
static_assert(sizeof(Opening) == 32, "openings are read as they were written");

// Four floats at once from any address; GCC and clang lower it on every processor.
using Quad = float __attribute__((vector_size(16), aligned(1), may_alias));

void add_floats(std::byte* sums, const std::byte* terms, std::size_t num_bytes) {
  std::size_t i = 0;
  for (; i + sizeof(Quad) <= num_bytes; i += sizeof(Quad)) {
    *reinterpret_cast<Quad*>(sums + i) += *reinterpret_cast<const Quad*>(terms + i);
  }
  for (; i < num_bytes; i += sizeof(float)) {
    float sum, term;
    std::memcpy(&sum, sums + i, sizeof sum);
    std::memcpy(&term, terms + i, sizeof term);
    sum += term;
    std::memcpy(sums + i, &sum, sizeof sum);
  }
}

std::size_t padding(std::size_t num_bytes) { return (~num_bytes + 1) % kAlignment; }

std::size_t total(const std::vector<Piece>& pieces) {
  std::size_t bytes = 0;
  for (const Piece& piece : pieces) bytes += piece.num_bytes;
  return bytes;
}

}  // namespace

std::string_view call_name(std::uint32_t call) {
  switch (static_cast<Call>(call)) {
    case Call::kAllReduce:
      return "all_reduce";
    case Call::kReduceScatter:
      return "reduce_scatter";
    case Call::kAllGather:
      return "all_gather";
    case Call::kBroadcast:
      return "broadcast";
  }
  return "an unknown call";
}

// How far both streams of one call are.
struct Ring::Progress {
  const Traffic& traffic;
  Opening opening;
  std::size_t send_total, receive_total;  // Without opening and padding.
  std::size_t send_frame = 0;             // Bytes of opening (then of padding) sent.
  std::size_t receive_frame = 0;
  std::size_t sent = 0, received = 0;
  std::size_t send_piece = 0, receive_piece = 0;  // The current ones, and the places in them.
  std::size_t send_place = 0, receive_place = 0;
  bool advanced = false;

  bool sends_frame() const { return send_frame < sizeof(Opening) || sent == send_total; }
  bool has_sent() const {
    return sent == send_total && send_frame == sizeof(Opening) + padding(send_total);
  }
  bool has_received() const {
    return received == receive_total && receive_frame == sizeof(Opening) + padding(receive_total);
  }
  bool may_send() const {
    return !has_sent() && (sends_frame() || sent < traffic.head_start_bytes + received);
  }
};

Ring::Ring(std::unique_ptr<Mesh> mesh, std::unique_ptr<RingLink> link,
           std::chrono::milliseconds deadline, Clock& clock, SimulatedFault fault)
    : mesh_(std::move(mesh)),
      link_(std::move(link)),
      deadline_(deadline),
      clock_(clock),
      fault_(fault) {}

Ring::~Ring() {
  if (failure_.ok()) mesh_->send_all({.kind = NoteKind::kLeft, .sequence = sequence_});
}

Status Ring::run(const Traffic& traffic, std::span<std::byte> data) {
  PANAL_TRY(failure_);
  Progress progress{.traffic = traffic,
                    .opening = {.call = static_cast<std::uint32_t>(traffic.call),
                                .sequence = sequence_ + 1,
                                .layout = traffic.layout},
                    .send_total = total(traffic.sends),
                    .receive_total = total(traffic.receives)};
  last_progress_ = clock_.steady_now();
  told_whom_ = false;
  const Status status = [&]() -> Status {
    // What the others left in the lines could carry a late rank through a call they gave up.
    PANAL_TRY(answer_notes(previous()));
    while (!progress.has_sent() || !progress.has_received()) {
      progress.advanced = false;
      if (progress.may_send()) PANAL_TRY(send_some(progress, data));
      if (!progress.has_received()) PANAL_TRY(receive_some(progress, data));
      if (progress.advanced) {
        last_progress_ = clock_.steady_now();
        if (seems_waiting_) mesh_->send_all({.kind = NoteKind::kGoesOn});
        told_whom_ = seems_waiting_ = false;
      } else {
        PANAL_TRY(wait(progress.may_send(), !progress.has_received()));
      }
    }
    return Status();
  }();
  if (status.ok()) {
    ++sequence_;
  } else {
    failure_ = status;
  }
  return status;
}

Status Ring::send_some(Progress& progress, std::span<std::byte> data) {
  if (fault_.rank == rank() && total_sent_bytes_ >= fault_.after_bytes) {
    if (fault_.closes) mesh_->close();
    return Status(Code::kCancelled, "this simulated rank was made to fail");
  }
  std::span<const std::byte> bytes;
  if (progress.sends_frame()) {
    static constexpr std::byte kZeros[kAlignment] = {};
    const std::size_t place = progress.send_frame;
    bytes = place < sizeof(Opening)
                ? std::as_bytes(std::span(&progress.opening, 1)).subspan(place)
                : std::span(kZeros).first(sizeof(Opening) + padding(progress.send_total) - place);
  } else {
    const Traffic& traffic = progress.traffic;
    while (progress.send_place == traffic.sends[progress.send_piece].num_bytes) {
      ++progress.send_piece;
      progress.send_place = 0;
    }
    const Piece& piece = traffic.sends[progress.send_piece];
    const std::size_t most =
        std::min({kSliceBytes, piece.num_bytes - progress.send_place,
                  traffic.head_start_bytes + progress.received - progress.sent});
    bytes = std::span<const std::byte>(data).subspan(piece.begin + progress.send_place, most);
  }
  const auto written = link_->write_some(bytes);
  if (!written.ok()) return broken(next(), written.status());
  if (*written == 0) return Status();
  progress.advanced = true;
  total_sent_bytes_ += *written;
  if (progress.sends_frame()) {
    progress.send_frame += *written;
  } else {
    progress.send_place += *written;
    progress.sent += *written;
  }
  return Status();
}

Status Ring::receive_some(Progress& progress, std::span<std::byte> data) {
  const auto readable = link_->readable();
  if (!readable.ok()) return broken(previous(), readable.status());
  std::span<const std::byte> bytes = *readable;
  if (bytes.empty()) return Status();
  if (progress.receive_frame < sizeof(Opening)) {
    if (bytes.size() < sizeof(Opening)) return Status();  // Aligned, so it never stays split.
    Opening found;
    std::memcpy(&found, bytes.data(), sizeof found);
    if (std::memcmp(&found, &progress.opening, sizeof found) != 0) {
      return lose(previous(), rank(),
                  fmt::format("its call {} is {} of layout {:016x}, but call {} of rank {} is {} "
                              "of layout {:016x}",
                              found.sequence, call_name(found.call), found.layout,
                              progress.opening.sequence, rank(), call_name(progress.opening.call),
                              progress.opening.layout));
    }
    link_->consume(sizeof found);
    progress.receive_frame = sizeof found;
    progress.advanced = true;
    return Status();
  }
  if (progress.received == progress.receive_total) {
    const std::size_t rest =
        sizeof(Opening) + padding(progress.receive_total) - progress.receive_frame;
    const std::size_t count = std::min(rest, bytes.size());
    link_->consume(count);
    progress.receive_frame += count;
    progress.advanced = progress.advanced || count > 0;
    return Status();
  }
  const auto& pieces = progress.traffic.receives;
  while (progress.receive_place == pieces[progress.receive_piece].num_bytes) {
    ++progress.receive_piece;
    progress.receive_place = 0;
  }
  const Piece& piece = pieces[progress.receive_piece];
  std::size_t count =
      std::min({kSliceBytes, bytes.size(), piece.num_bytes - progress.receive_place});
  if (piece.adds) count -= count % sizeof(float);
  if (count == 0) return Status();
  std::byte* place = data.data() + piece.begin + progress.receive_place;
  if (piece.adds) {
    add_floats(place, bytes.data(), count);
  } else {
    std::memcpy(place, bytes.data(), count);
  }
  link_->consume(count);
  progress.receive_place += count;
  progress.received += count;
  progress.advanced = true;
  return Status();
}

void Ring::sleep(std::chrono::milliseconds most, bool wants_write, bool wants_read) {
  std::vector<pollfd> waits;
  if (!link_->may_sleep(wants_write, wants_read, waits)) return;
  mesh_->add_waits(waits);
  poll(waits.data(), waits.size(),
       static_cast<int>(std::clamp<std::int64_t>(most.count(), 0, 1000)));
}

// A look gives the core to another rank. Where another program takes it instead, that costs
// milliseconds, and who sleeps is woken sooner: the next waits begin with that.
bool Ring::look_for(bool wants_write, bool wants_read) {
  for (int i = 0; link_->is_worth_a_look() && i < kYields; ++i) {
    if (link_->is_ready(wants_write, wants_read)) return true;
    if (yield_briefly(clock_)) continue;
    num_crowded_waits_ = kCrowdedWaits;
    break;
  }
  return false;
}

Status Ring::wait(bool wants_write, bool wants_read) {
  if (num_crowded_waits_ > 0) {
    --num_crowded_waits_;
  } else if (look_for(wants_write, wants_read)) {
    return Status();
  }
  const int awaited = wants_read ? previous() : next();
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      last_progress_ + deadline_ - clock_.steady_now());
  sleep(left + 1ms, wants_write, wants_read);
  PANAL_TRY(answer_notes(awaited));
  if (clock_.steady_now() < last_progress_ + deadline_) return Status();
  return silence(awaited);
}

Status Ring::known_loss() {
  mesh_->read();
  const auto loss = mesh_->loss(sequence_ + 1);
  if (!loss) return Status();
  return lose(loss->rank, loss->reporter, loss->reporter == rank() ? "its connection closed" : "");
}

Status Ring::look_after_others() {
  if (failure_.ok()) failure_ = known_loss();
  return failure_;
}

Status Ring::answer_notes(int awaited) {
  PANAL_TRY(known_loss());
  if (mesh_->take_alive()) {
    last_progress_ = clock_.steady_now();
    told_whom_ = false;
  }
  // Who asks has run out of time: a rank that waits itself says for whom, and is not the lost one.
  if (mesh_->take_question() && !told_whom_) tell_whom(awaited);
  return Status();
}

void Ring::tell_whom(int awaited) {
  mesh_->send_all({.kind = NoteKind::kWaiting, .rank = static_cast<std::uint32_t>(awaited)});
  told_whom_ = seems_waiting_ = true;
}

// Follows who waits for whom to the one who waits for nobody.
Status Ring::silence(int awaited) {
  tell_whom(awaited);
  const Deadline until(clock_, std::max(50ms, deadline_ / 5));
  const auto before = last_progress_;
  while (!until.is_over()) {
    std::vector<pollfd> waits;
    mesh_->add_waits(waits);
    poll(waits.data(), waits.size(),
         static_cast<int>(std::max<std::int64_t>(until.left().count(), 1)));
    PANAL_TRY(answer_notes(awaited));
    if (last_progress_ != before) return Status();
  }
  int lost = awaited;
  for (int i = 0; i < size(); ++i) {
    const auto further = mesh_->waits_for(lost);
    if (!further || *further == rank()) break;
    lost = *further;
  }
  return lose(lost, rank(), fmt::format("it was silent for more than {} ms", deadline_.count()));
}

// A broken line may be the second sign of a loss elsewhere: its report is given a moment to come.
Status Ring::broken(int neighbour, const Status& status) {
  const Deadline until(clock_, 200ms);
  while (!until.is_over()) {
    PANAL_TRY(known_loss());
    std::vector<pollfd> waits;
    mesh_->add_waits(waits);
    poll(waits.data(), waits.size(), 10);
  }
  return lose(neighbour, rank(), status.message());
}

Status Ring::lose(int lost, int reporter, std::string_view how) {
  mesh_->send_all({.kind = NoteKind::kLost, .rank = static_cast<std::uint32_t>(lost)});
  if (lost == rank()) {
    return Status(Code::kUnavailable,
                  fmt::format("rank {} of {}, this one, was given up by rank {}: it came too late "
                              "or made another call",
                              lost, size(), reporter));
  }
  if (reporter != rank()) {
    return Status(Code::kUnavailable,
                  fmt::format("rank {} of {} is lost: rank {} reports it", lost, size(), reporter));
  }
  return Status(Code::kUnavailable, fmt::format("rank {} of {} is lost: {}", lost, size(), how));
}

Result<std::unique_ptr<Ring>> make_local_ring(int rank, std::vector<Descriptor> control,
                                              const Descriptor& next, const Descriptor& previous,
                                              std::chrono::milliseconds deadline, Clock& clock,
                                              SimulatedFault fault) {
  auto mesh = std::make_unique<Mesh>(rank, std::move(control));
  Mesh* const waker = mesh.get();  // The ring holds both, the mesh longer.
  const auto wake = [waker](Neighbour neighbour) {
    const int shift = neighbour == Neighbour::kNext ? 1 : waker->size() - 1;
    waker->send((waker->rank() + shift) % waker->size(), {.kind = NoteKind::kWake});
  };
  PANAL_ASSIGN(auto link, make_shared_memory_link(next, previous, wake));
  return std::make_unique<Ring>(std::move(mesh), std::move(link), deadline, clock, fault);
}

}  // namespace panal::swarm::detail
