#include "store/content_digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace panal::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::size_t kDigits = 32;

Status cannot_read(const fs::path& path, int error) {
  return Status(error == ENOENT ? Code::kNotFound : Code::kUnavailable,
                error == ENOENT
                    ? fmt::format("no such file or folder: {}", path.string())
                    : fmt::format("cannot read {}: {}", path.string(), std::strerror(error)));
}

struct Descriptor {
  explicit Descriptor(const fs::path& path) : number(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int number;
};

class ContentDigest {
 public:
  Status add(const fs::path& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return cannot_read(path, errno);
    if (!seen_.emplace(found.st_dev, found.st_ino).second) return Status();
    if (S_ISDIR(found.st_mode)) return add_folder(path);
    if (S_ISREG(found.st_mode)) return add_file(path);
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: expected a file or folder, which can be read again, found a "
                              "device, pipe or socket",
                              path.string()));
  }

  Status add_file(const fs::path& path) {
    const Descriptor file(path);
    if (file.number < 0) return cannot_read(path, errno);
    Xxh3 hash;
    std::uint64_t total = 0;
    while (true) {
      const ssize_t count = ::read(file.number, piece_.data(), piece_.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return cannot_read(path, errno);
      if (count == 0) break;
      hash.update(std::span(piece_).first(static_cast<std::size_t>(count)));
      total += static_cast<std::uint64_t>(count);
    }
    note(fmt::format("{} {:016x}", total, hash.digest()));
    return Status();
  }

  void note(std::string_view line) {
    all_.update(line);
    all_.update("\n");
  }

  std::string take() { return all_.hex().substr(0, kDigits); }

 private:
  Status add_folder(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::path> entries;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      if (!entry->path().filename().string().starts_with('.')) entries.push_back(entry->path());
    }
    if (error) return cannot_read(folder, error.value());
    std::ranges::sort(entries);
    for (const fs::path& entry : entries) {
      // What cannot be read in a folder is passed over by whoever reads it; its name stands for it.
      if (!add(entry).ok()) note("without " + entry.filename().string());
    }
    return Status();
  }

  Sha256 all_;
  std::vector<std::byte> piece_ = std::vector<std::byte>(kPieceBytes);
  std::set<std::pair<dev_t, ino_t>> seen_;
};

}  // namespace

Result<std::string> content_digest(std::span<const fs::path> paths) {
  ContentDigest digest;
  for (const fs::path& path : paths) PANAL_TRY(digest.add(path));
  return digest.take();
}

Result<std::string> content_digest(const fs::path& path,
                                   std::span<const std::string_view> endings) {
  std::error_code error;
  ContentDigest digest;
  if (!fs::is_directory(path, error)) {
    PANAL_TRY(digest.add(path));
    return digest.take();
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string name = entry.path().filename().string();
    const bool counts = std::ranges::any_of(
        endings, [&](std::string_view ending) { return name.ends_with(ending); });
    if (counts && entry.is_regular_file(error)) files.push_back(entry.path());
  }
  if (error) return cannot_read(path, error.value());
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    digest.note(file.filename().string());
    PANAL_TRY(digest.add_file(file));
  }
  return digest.take();
}

}  // namespace panal::store
