#include "tests/device/simulated_communicator.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/cuda/communicator.h"

namespace panal::kernels::cuda {
namespace {

enum class Kind { kJoin, kReduce, kBroadcast };

// A call as far as it has come.
struct Meeting {
  Kind kind = Kind::kJoin;
  std::vector<std::vector<Buffer>> by_rank;
  std::vector<bool> has_come;
  bool is_done = false;
  std::string conflict;
};

// What the ranks of one communicator share.
struct Board {
  std::mutex mutex;
  std::map<std::uint64_t, Meeting> meetings;  // By call. Guarded by mutex.
  bool someone_left = false;                  // Guarded by mutex.
};

struct Fault {
  CommunicatorFault::Kind kind = CommunicatorFault::Kind::kFails;
  int rank = -1;  // None.
  std::uint64_t call = 0;
};

std::mutex boards_mutex;
std::map<CommunicatorId, std::shared_ptr<Board>> boards;  // Owners: it and the ranks.
std::uint64_t boards_made = 0;
std::atomic<bool> is_there = true;
std::atomic<std::int64_t> exchanges = 0;
Fault fault;  // Set before the ranks begin.

bool has_fault(CommunicatorFault::Kind kind, int rank, std::uint64_t call) {
  return fault.kind == kind && fault.rank == rank && fault.call == call;
}

// In the order of ranks from the root's next one on, as a ring has it.
void add_up(Meeting& meeting, std::size_t i) {
  const auto size = meeting.by_rank.size();
  const auto root = static_cast<std::size_t>(meeting.by_rank[0][i].root);
  const auto values = [&](std::size_t rank) {
    return static_cast<float*>(meeting.by_rank[rank][i].elements);
  };
  for (std::size_t element = 0; element < meeting.by_rank[0][i].count; ++element) {
    float sum = values((root + 1) % size)[element];
    for (std::size_t next = 2; next <= size; ++next) sum += values((root + next) % size)[element];
    values(root)[element] = sum;
  }
}

void hand_round(Meeting& meeting, std::size_t i) {
  const auto root = static_cast<std::size_t>(meeting.by_rank[0][i].root);
  for (std::size_t rank = 0; rank < meeting.by_rank.size(); ++rank) {
    if (rank == root) continue;
    std::memcpy(meeting.by_rank[rank][i].elements, meeting.by_rank[root][i].elements,
                meeting.by_rank[rank][i].count);
  }
}

void hold(Meeting& meeting) {
  const auto& first = meeting.by_rank[0];
  for (const auto& buffers : meeting.by_rank) {
    const bool is_equal = std::ranges::equal(first, buffers, [](const Buffer& a, const Buffer& b) {
      return a.count == b.count && a.root == b.root;
    });
    if (!is_equal) meeting.conflict = "simulated ranks must make equal calls, found others";
  }
  if (meeting.conflict.empty() && meeting.kind != Kind::kJoin) {
    ++exchanges;
    for (std::size_t i = 0; i < first.size(); ++i) {
      meeting.kind == Kind::kReduce ? add_up(meeting, i) : hand_round(meeting, i);
    }
  }
  meeting.is_done = true;
}

}  // namespace

WithoutCommunicator::WithoutCommunicator() { is_there = false; }
WithoutCommunicator::~WithoutCommunicator() { is_there = true; }
CommunicatorFault::CommunicatorFault(Kind kind, int rank, std::uint64_t call) {
  fault = {.kind = kind, .rank = rank, .call = call};
}
CommunicatorFault::~CommunicatorFault() { fault = {}; }
std::int64_t num_exchanges() { return exchanges; }

std::string why_no_communicator() { return is_there ? "" : "the simulated one was taken away"; }

CommunicatorId make_communicator_id() {
  const std::lock_guard lock(boards_mutex);
  CommunicatorId id{};
  std::memcpy(id.data(), &++boards_made, sizeof boards_made);
  boards[id] = std::make_shared<Board>();
  return id;
}

struct Communicator::State {
  std::shared_ptr<Board> board;
  std::size_t rank = 0, size = 1;
  std::uint64_t call = 0;  // The last one.
  bool is_issued = true;   // As far as this rank was told.
  bool is_aborted = false;

  void come(Kind kind, std::span<const Buffer> buffers) {
    PANAL_REQUIRE(!is_aborted, "the simulated communicator was aborted");
    PANAL_REQUIRE(is_issued, "a call of a communicator must be issued before the next one");
    is_issued = false;
    if (has_fault(CommunicatorFault::Kind::kFails, static_cast<int>(rank), call) ||
        has_fault(CommunicatorFault::Kind::kFailsNoticed, static_cast<int>(rank), call)) {
      throw Error(Code::kInternal, "a simulated device failed");
    }
    if (has_fault(CommunicatorFault::Kind::kHangs, static_cast<int>(rank), call)) return;
    const std::lock_guard lock(board->mutex);
    Meeting& meeting = board->meetings[call];
    meeting.by_rank.resize(size);
    meeting.has_come.resize(size);
    if (std::ranges::count(meeting.has_come, true) > 0 && meeting.kind != kind) {
      meeting.conflict = "simulated ranks must make equal calls, found another kind";
    }
    meeting.kind = kind;
    meeting.by_rank[rank].assign(buffers.begin(), buffers.end());
    meeting.has_come[rank] = true;
    if (std::ranges::count(meeting.has_come, true) == static_cast<std::ptrdiff_t>(size)) {
      hold(meeting);
    }
  }
};

Communicator::Communicator(const CommunicatorId& id, int rank, int size)
    : state_(std::make_unique<State>()) {
  {
    const std::lock_guard lock(boards_mutex);
    PANAL_REQUIRE(boards.contains(id), "ranks must join by the id that was made, found another");
    state_->board = boards.at(id);
  }
  state_->rank = static_cast<std::size_t>(rank);
  state_->size = static_cast<std::size_t>(size);
  state_->come(Kind::kJoin, {});
}

Communicator::~Communicator() { abort(); }

void Communicator::reduce(std::span<const Buffer> buffers, void*) {
  ++state_->call;
  state_->come(Kind::kReduce, buffers);
}

void Communicator::broadcast(std::span<const Buffer> buffers, void*) {
  ++state_->call;
  state_->come(Kind::kBroadcast, buffers);
}

bool Communicator::is_issued() {
  PANAL_REQUIRE(!state_->is_aborted, "the simulated communicator was aborted");
  const std::lock_guard lock(state_->board->mutex);
  const Meeting& meeting = state_->board->meetings[state_->call];
  if (!meeting.conflict.empty()) throw Error(Code::kUnavailable, meeting.conflict);
  if (!meeting.is_done && state_->board->someone_left &&
      fault.kind == CommunicatorFault::Kind::kFailsNoticed) {
    throw Error(Code::kUnavailable, "remote process exited");
  }
  state_->is_issued = meeting.is_done;
  return meeting.is_done;
}

void Communicator::abort() {
  state_->is_aborted = true;
  const std::lock_guard lock(state_->board->mutex);
  state_->board->someone_left = true;
}

}  // namespace panal::kernels::cuda
