// Bytes from anywhere, one piece after another: a file, a pipe, standard input, and what gzip or
// zstd packed in them. Compression is told by the content, never by the name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace panal::data::detail {

/// One thread. Errors say what is wrong, without naming the source: the caller does.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills `out` from its start; fewer bytes than its size, also 0, only at the end.
  virtual Result<std::size_t> read(std::span<char> out) = 0;
};

/// What stands for standard input among paths.
inline constexpr std::string_view kStandardInput = "-";

/// The plain bytes of a path, of a pipe or device as well, or of standard input. Errors: kNotFound
/// with the system's reason when it cannot be opened; kUnavailable when reading fails.
Result<std::unique_ptr<ByteSource>> open_file(const std::filesystem::path& path);

/// How a source's bytes are packed.
enum class Packed { kNot, kGzip, kZstd };
/// "", "gzip" or "zstd".
std::string_view packed_name(Packed packed);
/// Told by the first bytes (4 are enough; fewer are taken as not packed).
Packed packed_as(std::string_view beginning);

/// Unpacks a source that begins with `beginning`, which was already taken from it. Several members
/// or frames one after another are one stream. Errors: kCorrupt when it is cut short or damaged;
/// kResourceExhausted when it swells to over 64 MiB at more than 250 times its size, or wants a
/// window of over 128 MiB: what a bomb does and text does not.
std::unique_ptr<ByteSource> unpacked(std::unique_ptr<ByteSource> source, std::string beginning,
                                     Packed packed);

/// A source with a look ahead, for those that read lines or decide by the first bytes.
class BufferedBytes {
 public:
  explicit BufferedBytes(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

  /// What comes next, at least `wanted` bytes unless the source ends before; valid until the next
  /// call. May be longer than wanted.
  Result<std::string_view> peek(std::size_t wanted);
  /// Passes over `count` bytes that peek() has shown.
  void skip(std::size_t count);
  /// The source with what was looked at and not skipped put before it; this object is then empty.
  std::unique_ptr<ByteSource> take(std::string& beginning);

 private:
  std::unique_ptr<ByteSource> source_;
  std::string buffer_;
  std::size_t begin_ = 0;  // Of what is left in the buffer.
  bool has_ended_ = false;
};

}  // namespace panal::data::detail
