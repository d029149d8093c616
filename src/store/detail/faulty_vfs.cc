// A SQLite VFS over SQLite's own. It counts creations, writes, cuts, syncs and removals as steps of
// the faulty file system, remembers what unsynced writes replaced, and refuses everything once the
// fault has struck. Locks and the shared memory of the WAL pass through: they do not survive a
// crash anyway.
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "store/detail/fault_state.h"

namespace panal::store::detail {
namespace {

using State = FaultyFileSystem::State;
using Verdict = State::Verdict;

/// SQLite allocates this as plain bytes of szOsFile: no constructor runs, so it holds only
/// pointers.
struct ShimFile {
  sqlite3_file base;
  State* state;
  std::string* name;  // Made in open, deleted in close; null for a temporary file without a name.
  sqlite3_file* real;
};

ShimFile& shim(sqlite3_file* file) { return *reinterpret_cast<ShimFile*>(file); }
State& state_of(sqlite3_vfs* vfs);
sqlite3_vfs* real_vfs() { return sqlite3_vfs_find(nullptr); }

void remember(State& state, const ShimFile& file, std::uint64_t offset, std::uint64_t num_bytes)
    PANAL_REQUIRES(state.mutex) {
  if (file.name == nullptr) return;
  sqlite3_int64 file_bytes = 0;
  if (file.real->pMethods->xFileSize(file.real, &file_bytes) != SQLITE_OK) return;
  const auto length = static_cast<std::uint64_t>(file_bytes);
  State::Replaced replaced{offset, "", length};
  if (offset < length) {
    replaced.bytes.resize(std::min(num_bytes, length - offset));
    file.real->pMethods->xRead(file.real, replaced.bytes.data(),
                               static_cast<int>(replaced.bytes.size()),
                               static_cast<sqlite3_int64>(offset));
  }
  state.database_files[*file.name].replaced.push_back(std::move(replaced));
}

int close_file(sqlite3_file* file) {
  const int result = shim(file).real->pMethods->xClose(shim(file).real);
  delete shim(file).name;
  shim(file).name = nullptr;
  return result;
}

int read_file(sqlite3_file* file, void* buffer, int count, sqlite3_int64 offset) {
  {
    State& state = *shim(file).state;
    const MutexLock lock(state.mutex);
    if (state.is_dead) return SQLITE_IOERR_READ;
  }
  return shim(file).real->pMethods->xRead(shim(file).real, buffer, count, offset);
}

int write_file(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  State& state = *shim(file).state;
  const MutexLock lock(state.mutex);
  const Verdict verdict = state.step();
  if (verdict == Verdict::kRefused) return SQLITE_IOERR_WRITE;
  const int written = verdict == Verdict::kProceed ? count : count / 2;
  remember(state, shim(file), static_cast<std::uint64_t>(offset),
           static_cast<std::uint64_t>(written));
  const int result = shim(file).real->pMethods->xWrite(shim(file).real, bytes, written, offset);
  if (verdict == Verdict::kFail) return SQLITE_FULL;
  if (verdict == Verdict::kProceed) return result;
  state.strike();
  return SQLITE_IOERR_WRITE;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 num_bytes) {
  State& state = *shim(file).state;
  const MutexLock lock(state.mutex);
  const Verdict verdict = state.step();
  if (verdict == Verdict::kStrike) state.strike();
  if (verdict != Verdict::kProceed) return SQLITE_IOERR_TRUNCATE;
  remember(state, shim(file), static_cast<std::uint64_t>(num_bytes), ~std::uint64_t{0});
  return shim(file).real->pMethods->xTruncate(shim(file).real, num_bytes);
}

int sync_file(sqlite3_file* file, int) {
  State& state = *shim(file).state;
  const MutexLock lock(state.mutex);
  const Verdict verdict = state.step();
  if (verdict == Verdict::kStrike) state.strike();
  if (verdict != Verdict::kProceed) return SQLITE_IOERR_FSYNC;
  if (shim(file).name != nullptr) state.database_files[*shim(file).name] = {};
  return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* num_bytes) {
  return shim(file).real->pMethods->xFileSize(shim(file).real, num_bytes);
}
int lock_file(sqlite3_file* file, int level) {
  return shim(file).real->pMethods->xLock(shim(file).real, level);
}
int unlock_file(sqlite3_file* file, int level) {
  return shim(file).real->pMethods->xUnlock(shim(file).real, level);
}
int check_reserved_lock(sqlite3_file* file, int* result) {
  return shim(file).real->pMethods->xCheckReservedLock(shim(file).real, result);
}
int file_control(sqlite3_file* file, int operation, void* argument) {
  return shim(file).real->pMethods->xFileControl(shim(file).real, operation, argument);
}
int sector_size(sqlite3_file* file) {
  return shim(file).real->pMethods->xSectorSize(shim(file).real);
}
// No promise of the disk is passed on (such as: appending is safe), so that SQLite trusts only
// syncs.
int device_characteristics(sqlite3_file*) { return 0; }
int shm_map(sqlite3_file* file, int page, int page_bytes, int extend, void volatile** address) {
  return shim(file).real->pMethods->xShmMap(shim(file).real, page, page_bytes, extend, address);
}
int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return shim(file).real->pMethods->xShmLock(shim(file).real, offset, count, flags);
}
void shm_barrier(sqlite3_file* file) { shim(file).real->pMethods->xShmBarrier(shim(file).real); }
int shm_unmap(sqlite3_file* file, int delete_flag) {
  return shim(file).real->pMethods->xShmUnmap(shim(file).real, delete_flag);
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  State& state = state_of(vfs);
  ShimFile& opened = shim(file);
  opened.base.pMethods = nullptr;  // Until it is open, SQLite must not close it.
  opened.state = &state;
  opened.name = nullptr;
  opened.real = reinterpret_cast<sqlite3_file*>(&opened + 1);
  const MutexLock lock(state.mutex);
  if (state.is_dead) return SQLITE_CANTOPEN;
  const bool is_new =
      name != nullptr && ::access(name, F_OK) != 0 && (flags & SQLITE_OPEN_CREATE) != 0;
  if (is_new) {
    const Verdict verdict = state.step();
    if (verdict == Verdict::kStrike) state.strike();
    if (verdict != Verdict::kProceed) return SQLITE_CANTOPEN;
  }
  const int result = real_vfs()->xOpen(real_vfs(), name, opened.real, flags, out_flags);
  if (result != SQLITE_OK) return result;
  if (name != nullptr) opened.name = new std::string(name);
  if (is_new) state.database_files[name] = {.replaced = {}, .is_name_synced = false};
  opened.base.pMethods = &kMethods;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int) {
  State& state = state_of(vfs);
  const MutexLock lock(state.mutex);
  const Verdict verdict = state.step();
  if (verdict == Verdict::kStrike) state.strike();
  if (verdict != Verdict::kProceed) return SQLITE_IOERR_DELETE;
  // Removal counts as durable: that a removed journal can come back is the unix VFS's own concern.
  state.database_files.erase(name);
  return real_vfs()->xDelete(real_vfs(), name, 0);
}

int access_file(sqlite3_vfs*, const char* name, int flags, int* result) {
  return real_vfs()->xAccess(real_vfs(), name, flags, result);
}
int full_path(sqlite3_vfs*, const char* name, int capacity, char* out) {
  return real_vfs()->xFullPathname(real_vfs(), name, capacity, out);
}
int randomness(sqlite3_vfs*, int count, char* out) {
  return real_vfs()->xRandomness(real_vfs(), count, out);
}
int sleep_for(sqlite3_vfs*, int microseconds) {
  return real_vfs()->xSleep(real_vfs(), microseconds);
}
int current_time(sqlite3_vfs*, double* time) { return real_vfs()->xCurrentTime(real_vfs(), time); }
int last_error(sqlite3_vfs*, int count, char* out) {
  return real_vfs()->xGetLastError(real_vfs(), count, out);
}

struct RegisteredVfs {
  sqlite3_vfs vfs{};
  std::string name;
};

State& state_of(sqlite3_vfs* vfs) { return *static_cast<State*>(vfs->pAppData); }

}  // namespace

std::string register_faulty_vfs(State& state) {
  static std::atomic<std::uint64_t> next{0};
  sqlite3_initialize();
  auto made = std::make_unique<RegisteredVfs>();
  made->name = fmt::format("panal-faulty-{}", next++);
  made->vfs.iVersion = 1;
  made->vfs.szOsFile = static_cast<int>(sizeof(ShimFile)) + real_vfs()->szOsFile;
  made->vfs.mxPathname = real_vfs()->mxPathname;
  made->vfs.zName = made->name.c_str();
  made->vfs.pAppData = &state;
  made->vfs.xOpen = open_file;
  made->vfs.xDelete = delete_file;
  made->vfs.xAccess = access_file;
  made->vfs.xFullPathname = full_path;
  made->vfs.xRandomness = randomness;
  made->vfs.xSleep = sleep_for;
  made->vfs.xCurrentTime = current_time;
  made->vfs.xGetLastError = last_error;
  const std::string name = made->name;
  // SQLite keeps the pointer until unregister_faulty_vfs takes it back.
  sqlite3_vfs_register(&made.release()->vfs, 0);
  return name;
}

void unregister_faulty_vfs(const std::string& name) {
  sqlite3_vfs* vfs = sqlite3_vfs_find(name.c_str());
  if (vfs == nullptr) return;
  sqlite3_vfs_unregister(vfs);
  delete reinterpret_cast<RegisteredVfs*>(vfs);  // vfs is its first member.
}

}  // namespace panal::store::detail
