#include "store/blob_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

#include "base/hash.h"
#include "store/detail/descriptor.h"
#include "store/process.h"

namespace panal::store {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr unsigned kReadOnly = 0444;

/// Hands the file's bytes to `take` (Status(std::string_view)) piece by piece.
template <typename Take>
Status for_each_piece(const std::filesystem::path& path, Take&& take) {
  PANAL_ASSIGN(const detail::OpenedFile opened, detail::open_for_reading(path));
  std::string buffer(kPieceBytes, '\0');
  for (;;) {
    PANAL_ASSIGN(const std::size_t count,
                 detail::read_some(opened.descriptor, buffer.data(), buffer.size(), path));
    if (count == 0) return Status();
    PANAL_TRY(take(std::string_view(buffer).substr(0, count)));
  }
}

Result<std::string> hash_of_file(const std::filesystem::path& path) {
  Sha256 hash;
  PANAL_TRY(for_each_piece(path, [&](std::string_view piece) {
    hash.update(piece);
    return Status();
  }));
  return hash.hex();
}

}  // namespace

/// A blob on its way in: hashed while it is written, removed again unless adopted.
class BlobStore::Incoming {
 public:
  explicit Incoming(BlobStore& store)
      : store_(store),
        path_(store.root_ / "incoming" /
              fmt::format("{}-{}", to_text(this_process()), random_hex(8))) {}
  ~Incoming() {
    file_.reset();
    if (must_remove_) (void)store_.files_.remove(path_);
  }
  Status open() {
    PANAL_ASSIGN(file_, store_.files_.create(path_, kReadOnly));
    must_remove_ = true;
    return Status();
  }
  Status write(std::string_view piece) {
    hash_.update(piece);
    return file_->write(piece);
  }
  Status sync() { return file_->sync(); }
  std::string hash() { return hash_.hex(); }
  Status move_to(const std::filesystem::path& place) {
    PANAL_TRY(store_.files_.rename(path_, place));
    must_remove_ = false;
    return Status();
  }

 private:
  BlobStore& store_;
  const std::filesystem::path path_;
  std::unique_ptr<OutputFile> file_;
  Sha256 hash_;
  bool must_remove_ = false;
};

BlobStore::BlobStore(FileSystem& files, std::filesystem::path root)
    : files_(files), root_(std::move(root)) {}

Status BlobStore::open() {
  PANAL_TRY(make_directories(files_, root_ / "incoming", 0700));
  return sweep_incoming();
}

Status BlobStore::sweep_incoming() {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(root_ / "incoming", error), end;
       !error && entry != end; entry.increment(error)) {
    // The name is PID-START-RANDOM; what has another form is not ours to remove.
    const std::string name = entry->path().filename().string();
    const ProcessIdentity writer = process_from_text(name.substr(0, name.rfind('-')));
    if (writer.pid == 0 || is_alive(writer)) continue;
    const Status removed = files_.remove(entry->path());
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
  }
  return error ? detail::errno_status(error.value(), "list", root_ / "incoming") : Status();
}

std::filesystem::path BlobStore::place_of(std::string_view hash) const {
  return root_ / hash.substr(0, 2) / hash;
}

Result<std::string> BlobStore::put_file(const std::filesystem::path& path) {
  Incoming incoming(*this);
  PANAL_TRY(incoming.open());
  PANAL_TRY(for_each_piece(path, [&](std::string_view piece) { return incoming.write(piece); }));
  return adopt(incoming);
}

Result<std::string> BlobStore::put_bytes(std::string_view bytes) {
  Incoming incoming(*this);
  PANAL_TRY(incoming.open());
  PANAL_TRY(incoming.write(bytes));
  return adopt(incoming);
}

Result<std::string> BlobStore::adopt(Incoming& incoming) {
  const std::string hash = incoming.hash();
  const auto place = place_of(hash);
  if (verify(hash).ok()) {
    // Its name may be the unsynced work of a process that just died: sync before anybody relies on
    // it. When a sweep removes it in between, touch() fails and the copy at hand goes in instead.
    if (files_.touch(place).ok()) {
      PANAL_TRY(files_.sync_directory(folder_of(place)));
      return hash;
    }
  }
  PANAL_TRY(incoming.sync());
  PANAL_TRY(make_directories(files_, folder_of(place), 0700));
  PANAL_TRY(incoming.move_to(place));
  PANAL_TRY(files_.sync_directory(folder_of(place)));
  return hash;
}

Result<std::filesystem::path> BlobStore::path_of(std::string_view hash) const {
  if (!is_sha256_hex(hash)) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("a blob is named by 64 hexadecimal digits, found \"{}\"", hash.substr(0, 80)));
  }
  auto place = place_of(hash);
  std::error_code error;
  if (!std::filesystem::is_regular_file(place, error)) {
    return Status(Code::kNotFound, fmt::format("blob {} is not in {}", hash, root_.string()));
  }
  return place;
}

Result<std::uint64_t> BlobStore::num_bytes(std::string_view hash) const {
  PANAL_ASSIGN(const auto place, path_of(hash));
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(place, error);
  if (error) return detail::errno_status(error.value(), "examine", place);
  return size;
}

Result<std::string> BlobStore::read(std::string_view hash, std::uint64_t max_bytes) const {
  PANAL_ASSIGN(const auto place, path_of(hash));
  PANAL_ASSIGN(std::string content, read_file(place, max_bytes));
  const std::string found = sha256_hex(content);
  if (found != hash) {
    return Status(Code::kCorrupt, fmt::format("blob {} is damaged: its bytes have the hash {} ({})",
                                              hash, found, place.string()));
  }
  return content;
}

Status BlobStore::verify(std::string_view hash) const {
  PANAL_ASSIGN(const auto place, path_of(hash));
  PANAL_ASSIGN(const std::string found, hash_of_file(place));
  if (found == hash) return Status();
  return Status(Code::kCorrupt, fmt::format("blob {} is damaged: its bytes have the hash {} ({})",
                                            hash, found, place.string()));
}

Result<std::vector<BlobStore::Entry>> BlobStore::list() const {
  std::vector<Entry> entries;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator item(root_, error), end; !error && item != end;
       item.increment(error)) {
    Entry entry{.hash = item->path().filename().string()};
    struct stat found {};
    if (!is_sha256_hex(entry.hash) || ::stat(item->path().c_str(), &found) != 0) continue;
    if (!S_ISREG(found.st_mode) || item->path() != place_of(entry.hash)) continue;
    entry.num_bytes = static_cast<std::uint64_t>(found.st_size);
    entry.changed_unix_ms = found.st_mtim.tv_sec * 1000 + found.st_mtim.tv_nsec / 1'000'000;
    entries.push_back(std::move(entry));
  }
  if (error) return detail::errno_status(error.value(), "list", root_);
  std::ranges::sort(entries, {}, &Entry::hash);
  return entries;
}

Status BlobStore::remove(std::string_view hash) {
  PANAL_ASSIGN(const auto place, path_of(hash));
  return files_.remove(place);
}

}  // namespace panal::store
