#include "data/detail/byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace panal::data::detail {
namespace {

class FileBytes : public ByteSource {
 public:
  FileBytes(int descriptor, bool is_owned) : descriptor_(descriptor), is_owned_(is_owned) {}
  ~FileBytes() override {
    if (is_owned_) ::close(descriptor_);
  }
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  Result<std::size_t> read(std::span<char> out) override {
    std::size_t filled = 0;
    while (filled < out.size()) {  // A pipe gives what it has.
      const ssize_t count = ::read(descriptor_, out.data() + filled, out.size() - filled);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Status(Code::kUnavailable, std::strerror(errno));
      if (count == 0) break;
      filled += static_cast<std::size_t>(count);
    }
    return filled;
  }

 private:
  const int descriptor_;
  const bool is_owned_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_file(const std::filesystem::path& path) {
  if (path == kStandardInput) {
    return std::unique_ptr<ByteSource>(std::make_unique<FileBytes>(STDIN_FILENO, false));
  }
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0) return Status(Code::kNotFound, std::strerror(errno));
  return std::unique_ptr<ByteSource>(std::make_unique<FileBytes>(descriptor, true));
}

std::string_view packed_name(Packed packed) {
  return packed == Packed::kGzip ? "gzip" : packed == Packed::kZstd ? "zstd" : "";
}

Packed packed_as(std::string_view beginning) {
  if (beginning.starts_with("\x1F\x8B\x08")) return Packed::kGzip;
  if (beginning.starts_with("\x28\xB5\x2F\xFD")) return Packed::kZstd;
  return Packed::kNot;
}

Result<std::string_view> BufferedBytes::peek(std::size_t wanted) {
  constexpr std::size_t kPiece = 256 << 10;
  while (buffer_.size() - begin_ < wanted && !has_ended_) {
    buffer_.erase(0, begin_);
    begin_ = 0;
    const std::size_t kept = buffer_.size();
    const std::size_t more = std::max(wanted - kept, kPiece);
    buffer_.resize(kept + more);
    auto count = source_->read(std::span(buffer_).subspan(kept));
    buffer_.resize(kept + (count.ok() ? *count : 0));
    if (!count.ok()) return count.status();
    has_ended_ = *count < more;
  }
  return std::string_view(buffer_).substr(begin_);
}

void BufferedBytes::skip(std::size_t count) { begin_ += std::min(count, buffer_.size() - begin_); }

std::unique_ptr<ByteSource> BufferedBytes::take(std::string& beginning) {
  beginning = buffer_.substr(begin_);
  buffer_.clear();
  begin_ = 0;
  has_ended_ = true;
  return std::move(source_);
}

}  // namespace panal::data::detail
