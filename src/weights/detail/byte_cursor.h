// Walks through untrusted bytes: every read is checked against what is left, and an error says what
// was wanted at which byte.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace panal::weights::detail {

class ByteCursor {
 public:
  /// `where` names the file and must outlive the cursor, as must the bytes.
  ByteCursor(std::span<const std::byte> bytes, std::string_view where)
      : bytes_(bytes), where_(where) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }

  Status skip(std::uint64_t num_bytes, std::string_view what) {
    if (num_bytes > remaining()) {
      return corrupt(fmt::format("expected {} of {} bytes, but only {} bytes are left", what,
                                 num_bytes, remaining()));
    }
    position_ += num_bytes;
    return Status();
  }

  /// Goes to an absolute position that was checked before.
  void seek(std::uint64_t position) { position_ = position; }

  template <typename T>
  Result<T> read(std::string_view what) {
    if (sizeof(T) > remaining()) return skip(sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  /// A string with its length as uint64 before it, borrowed from the bytes.
  Result<std::string_view> read_string(std::string_view what) {
    PANAL_ASSIGN(const std::uint64_t length, read<std::uint64_t>(what));
    const std::uint64_t start = position_;
    PANAL_TRY(skip(length, what));
    return std::string_view(reinterpret_cast<const char*>(bytes_.data()) + start, length);
  }

  Status corrupt(std::string_view message) const {
    return Status(Code::kCorrupt, fmt::format("{}: {} at byte {}", where_, message, position_));
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view where_;
  std::uint64_t position_ = 0;  // At most bytes_.size().
};

}  // namespace panal::weights::detail
