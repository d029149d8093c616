#include "store/faulty_file_system.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <system_error>

#include "store/detail/fault_state.h"

namespace panal::store {
namespace {

using State = FaultyFileSystem::State;
using Verdict = State::Verdict;
using std::filesystem::path;

constexpr std::uint64_t kMaxRememberedBytes = std::uint64_t{256} << 20;

Status planned_failure(std::string_view action, const path& name) {
  return Status(Code::kResourceExhausted,
                fmt::format("cannot {} {}: no space left (planned fault)", action, name.string()));
}

Status refusal(std::string_view action, const path& name) {
  return Status(Code::kUnavailable, fmt::format("cannot {} {}: the machine stopped (planned fault)",
                                                action, name.string()));
}

/// Puts back a file as it was. Used while the "machine" is down: errors would only make the loss
/// larger.
void put_back(const path& name, const std::string& content, std::filesystem::perms permissions) {
  std::error_code ignored;
  std::filesystem::remove(name, ignored);
  std::ofstream(name, std::ios::binary) << content;
  std::filesystem::permissions(name, permissions, ignored);
}

/// Remembers the file `name`, if there is one, and returns the step that brings it back (or removes
/// it).
std::function<void()> remembered(const path& name) {
  std::error_code error;
  const auto status = std::filesystem::status(name, error);
  if (status.type() != std::filesystem::file_type::regular) {
    return [name] {
      std::error_code ignored;
      std::filesystem::remove(name, ignored);
    };
  }
  auto content = read_file(name, kMaxRememberedBytes);
  return [name, content = content.ok() ? std::move(*content) : std::string(),
          permissions = status.permissions()] { put_back(name, content, permissions); };
}

}  // namespace

Verdict State::step() {
  if (is_dead) return Verdict::kRefused;
  const std::uint64_t now = num_steps++;
  const std::uint64_t num_faults = plan.kind == FaultKind::kFail ? plan.num_steps : 1;
  if (now < plan.at_step || now - plan.at_step >= num_faults) return Verdict::kProceed;
  has_struck = true;
  return plan.kind == FaultKind::kFail ? Verdict::kFail : Verdict::kStrike;
}

void State::strike() {
  is_dead = true;
  if (plan.kind == FaultKind::kKill) return;
  for (const auto& file : open_files) {
    std::error_code ignored;
    if (std::filesystem::file_size(file->path, ignored) > file->synced_bytes && !ignored) {
      std::filesystem::resize_file(file->path, file->synced_bytes, ignored);
    }
  }
  undo_database_writes();
  if (plan.kind == FaultKind::kPower) undo_names();
}

void State::undo_names() {
  for (auto change = name_changes.rbegin(); change != name_changes.rend(); ++change) change->undo();
}

void State::undo_database_writes() {
  for (const auto& [name, file] : database_files) {
    std::error_code ignored;
    if (!std::filesystem::exists(name, ignored)) continue;
    std::fstream stream(name, std::ios::binary | std::ios::in | std::ios::out);
    for (auto write = file.replaced.rbegin(); write != file.replaced.rend(); ++write) {
      stream.seekp(static_cast<std::streamoff>(write->offset));
      stream << write->bytes;
      stream.flush();
      std::filesystem::resize_file(name, write->file_bytes, ignored);
    }
    stream.close();
    if (!file.is_name_synced && plan.kind == FaultKind::kPower)
      std::filesystem::remove(name, ignored);
  }
}

namespace {

class FaultyFile final : public OutputFile {
 public:
  FaultyFile(std::shared_ptr<State> state, std::shared_ptr<State::OpenFile> tracked,
             std::unique_ptr<OutputFile> real, std::uint64_t num_bytes)
      : state_(std::move(state)),
        tracked_(std::move(tracked)),
        real_(std::move(real)),
        num_bytes_(num_bytes) {}

  Status write(std::string_view bytes) override {
    const MutexLock lock(state_->mutex);
    const Verdict verdict = state_->step();
    if (verdict == Verdict::kRefused) return refusal("write", tracked_->path);
    const std::size_t count = verdict == Verdict::kProceed ? bytes.size() : bytes.size() / 2;
    PANAL_TRY(real_->write(bytes.substr(0, count)));
    num_bytes_ += count;
    if (verdict == Verdict::kProceed) return Status();
    if (verdict == Verdict::kFail) return planned_failure("write", tracked_->path);
    state_->strike();
    return refusal("write", tracked_->path);
  }

  Status sync() override {
    const MutexLock lock(state_->mutex);
    const Verdict verdict = state_->step();
    if (verdict == Verdict::kFail) return planned_failure("sync", tracked_->path);
    if (verdict == Verdict::kStrike) state_->strike();
    if (verdict != Verdict::kProceed) return refusal("sync", tracked_->path);
    // The real fsync is left out: losing power is only played here, and tests walk through many
    // steps.
    tracked_->synced_bytes = num_bytes_;
    return Status();
  }

  Status close() override {
    const MutexLock lock(state_->mutex);
    const Verdict verdict = state_->step();
    if (verdict == Verdict::kFail) return planned_failure("finish", tracked_->path);
    if (verdict == Verdict::kStrike) state_->strike();
    return verdict == Verdict::kProceed ? real_->close() : refusal("finish", tracked_->path);
  }

 private:
  const std::shared_ptr<State> state_;              // Shared with the file system.
  const std::shared_ptr<State::OpenFile> tracked_;  // Shared with the state's list.
  const std::unique_ptr<OutputFile> real_;
  std::uint64_t num_bytes_;
};

/// Takes one step that has no halves: ok when it is to happen, and then to be remembered with how
/// it is undone.
Status take_step(State& state, std::string_view action, const path& name)
    PANAL_REQUIRES(state.mutex) {
  const Verdict verdict = state.step();
  if (verdict == Verdict::kProceed) return Status();
  if (verdict == Verdict::kFail) return planned_failure(action, name);
  if (verdict == Verdict::kStrike) state.strike();
  return refusal(action, name);
}

// What went into a stream is gone: a power cut has nothing to take back, and the file is not
// listed.
template <typename Open>
Result<std::unique_ptr<OutputFile>> open_untracked(const std::shared_ptr<State>& state,
                                                   const path& name, Open&& open) {
  const MutexLock lock(state->mutex);
  PANAL_TRY(take_step(*state, "write to", name));
  PANAL_ASSIGN(std::unique_ptr<OutputFile> real, open());
  auto tracked = std::make_shared<State::OpenFile>(State::OpenFile{name, 0});
  return std::unique_ptr<OutputFile>(
      std::make_unique<FaultyFile>(state, std::move(tracked), std::move(real), 0));
}

}  // namespace

FaultyFileSystem::FaultyFileSystem(FaultPlan plan)
    : state_(std::make_shared<State>(plan)), vfs_name_(detail::register_faulty_vfs(*state_)) {}

FaultyFileSystem::~FaultyFileSystem() { detail::unregister_faulty_vfs(vfs_name_); }

std::string FaultyFileSystem::sqlite_vfs() const { return vfs_name_; }

std::uint64_t FaultyFileSystem::num_steps() const {
  const MutexLock lock(state_->mutex);
  return state_->num_steps;
}

bool FaultyFileSystem::has_struck() const {
  const MutexLock lock(state_->mutex);
  return state_->has_struck;
}

Result<std::unique_ptr<OutputFile>> FaultyFileSystem::create(const path& name,
                                                             unsigned permissions) {
  const MutexLock lock(state_->mutex);
  PANAL_TRY(take_step(*state_, "create", name));
  auto undo = remembered(name);
  PANAL_ASSIGN(std::unique_ptr<OutputFile> real, posix_file_system().create(name, permissions));
  state_->name_changes.push_back({folder_of(name), std::move(undo)});
  auto tracked = std::make_shared<State::OpenFile>(State::OpenFile{name, 0});
  state_->open_files.push_back(tracked);
  return std::unique_ptr<OutputFile>(
      std::make_unique<FaultyFile>(state_, std::move(tracked), std::move(real), 0));
}

Result<std::unique_ptr<OutputFile>> FaultyFileSystem::append(const path& name) {
  const MutexLock lock(state_->mutex);
  std::error_code error;
  const std::uint64_t found = std::filesystem::file_size(name, error);
  const bool is_new = static_cast<bool>(error);
  PANAL_TRY(take_step(*state_, "append to", name));
  PANAL_ASSIGN(std::unique_ptr<OutputFile> real, posix_file_system().append(name));
  if (is_new)
    state_->name_changes.push_back({folder_of(name), [name] {
                                      std::error_code ignored;
                                      std::filesystem::remove(name, ignored);
                                    }});
  const std::uint64_t num_bytes = is_new ? 0 : found;
  auto tracked = std::make_shared<State::OpenFile>(State::OpenFile{name, num_bytes});
  // Bytes that an earlier writer left unsynced stay so.
  for (const auto& file : state_->open_files) {
    if (file->path == name)
      tracked->synced_bytes = std::min(tracked->synced_bytes, file->synced_bytes);
  }
  std::erase_if(state_->open_files, [&](const auto& file) { return file->path == name; });
  state_->open_files.push_back(tracked);
  return std::unique_ptr<OutputFile>(
      std::make_unique<FaultyFile>(state_, std::move(tracked), std::move(real), num_bytes));
}

Result<std::unique_ptr<OutputFile>> FaultyFileSystem::open_stream(const path& name) {
  return open_untracked(state_, name, [&] { return posix_file_system().open_stream(name); });
}

Result<std::unique_ptr<OutputFile>> FaultyFileSystem::open_descriptor(int descriptor,
                                                                      const path& name) {
  return open_untracked(state_, name,
                        [&] { return posix_file_system().open_descriptor(descriptor, name); });
}

Status FaultyFileSystem::copy_ownership(const path& from, const path& to) {
  const MutexLock lock(state_->mutex);
  PANAL_TRY(take_step(*state_, "set the owner of", to));
  return posix_file_system().copy_ownership(from, to);
}

Status FaultyFileSystem::rename(const path& from, const path& to) {
  const MutexLock lock(state_->mutex);
  PANAL_TRY(take_step(*state_, "rename", from));
  auto undo_target = remembered(to);
  PANAL_TRY(posix_file_system().rename(from, to));
  std::erase_if(state_->open_files, [&](const auto& file) { return file->path == to; });
  for (const auto& file : state_->open_files) {
    if (file->path == from) file->path = to;
  }
  state_->name_changes.push_back({folder_of(to), [from, to, undo_target = std::move(undo_target)] {
                                    std::error_code ignored;
                                    std::filesystem::rename(to, from, ignored);
                                    undo_target();
                                  }});
  return Status();
}

Status FaultyFileSystem::remove(const path& name) {
  const MutexLock lock(state_->mutex);
  PANAL_TRY(take_step(*state_, "remove", name));
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(name, ignored);
  auto undo = is_folder ? std::function<void()>([name] {
    std::error_code error;
    std::filesystem::create_directory(name, error);
  })
                        : remembered(name);
  PANAL_TRY(posix_file_system().remove(name));
  std::erase_if(state_->open_files, [&](const auto& file) { return file->path == name; });
  state_->name_changes.push_back({folder_of(name), std::move(undo)});
  return Status();
}

Status FaultyFileSystem::make_directory(const path& name, unsigned permissions) {
  const MutexLock lock(state_->mutex);
  PANAL_TRY(take_step(*state_, "make the folder", name));
  std::error_code ignored;
  const bool is_new = !std::filesystem::exists(name, ignored);
  PANAL_TRY(posix_file_system().make_directory(name, permissions));
  if (is_new)
    state_->name_changes.push_back({folder_of(name), [name] {
                                      std::error_code error;
                                      std::filesystem::remove_all(name, error);
                                    }});
  return Status();
}

Status FaultyFileSystem::sync_directory(const path& name) {
  const MutexLock lock(state_->mutex);
  PANAL_TRY(take_step(*state_, "sync the folder", name));
  std::erase_if(state_->name_changes, [&](const auto& change) { return change.folder == name; });
  return Status();
}

Status FaultyFileSystem::link(const path& existing, const path& name) {
  const MutexLock lock(state_->mutex);
  PANAL_TRY(take_step(*state_, "link", name));
  PANAL_TRY(posix_file_system().link(existing, name));
  state_->name_changes.push_back({folder_of(name), [name] {
                                    std::error_code ignored;
                                    std::filesystem::remove(name, ignored);
                                  }});
  return Status();
}

Status FaultyFileSystem::touch(const path& name) {
  const MutexLock lock(state_->mutex);
  PANAL_TRY(take_step(*state_, "set the time of", name));
  return posix_file_system().touch(name);
}

}  // namespace panal::store
