// An open file descriptor that closes itself, and the sentence for an errno.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace panal::store::detail {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  /// What close(2) says.
  int close() { return ::close(std::exchange(number_, -1)); }
  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_;
};

/// "cannot create /x/y: Permission denied", with the code that fits `error`.
Status errno_status(int error, std::string_view action, const std::filesystem::path& path);
/// "cannot write to /dev/stdout: Broken pipe", for what is no file on a disk.
Status stream_status(int error, const std::filesystem::path& name);
/// The sentence for a full disk: path, bytes wanted, bytes free.
Status no_space_status(const std::filesystem::path& path, std::uint64_t wanted_bytes,
                       std::string_view reason);

/// A regular file opened for reading and its size. Never blocks on a pipe; refuses what is not a
/// regular file.
struct OpenedFile {
  Descriptor descriptor;
  std::uint64_t num_bytes = 0;
};
Result<OpenedFile> open_for_reading(const std::filesystem::path& path);
/// Up to `capacity` bytes into `buffer`; 0 at the end of the file.
Result<std::size_t> read_some(const Descriptor& descriptor, char* buffer, std::size_t capacity,
                              const std::filesystem::path& path);

}  // namespace panal::store::detail
