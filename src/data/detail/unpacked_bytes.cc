// gzip by zlib and zstd by libzstd, behind one door: both turn pieces of packed bytes into pieces
// of plain ones, and both are watched for input that was made to swell.
#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>

#include "data/detail/byte_source.h"

namespace panal::data::detail {
namespace {

constexpr std::uint64_t kFreeBytes = 64 << 20;
constexpr std::uint64_t kMostSwelling = 250;  // Logs and tables of real data stay under 100.
constexpr int kLargestWindowLog = 27;         // What zstd's own tool accepts unasked.

Status corrupt(std::string_view format, std::string_view what) {
  return Status(Code::kCorrupt, fmt::format("damaged {} data: {}", format, what));
}

// The packed side: pieces of the source, and how many bytes came in and went out.
class PackedInput {
 public:
  PackedInput(std::unique_ptr<ByteSource> source, std::string beginning)
      : source_(std::move(source)), beginning_(std::move(beginning)), piece_(beginning_) {
    num_in_ = beginning_.size();
  }

  /// Unread packed bytes, more of them read when there are none; empty only at the end.
  Result<std::string_view> more() {
    if (!piece_.empty()) return piece_;
    PANAL_ASSIGN(const std::size_t count, source_->read(buffer_));
    num_in_ += count;
    piece_ = std::string_view(buffer_.data(), count);
    return piece_;
  }
  void used(std::size_t count) { piece_.remove_prefix(count); }

  Status gave(std::size_t count) {
    num_out_ += count;
    if (num_out_ <= kFreeBytes || num_out_ / kMostSwelling <= num_in_) return Status();
    return Status(Code::kResourceExhausted,
                  fmt::format("{} packed bytes became over {}: text does not shrink so much, so "
                              "this is refused as a decompression bomb",
                              num_in_, num_out_));
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string beginning_;
  std::array<char, 64 << 10> buffer_;
  std::string_view piece_;
  std::uint64_t num_in_ = 0;
  std::uint64_t num_out_ = 0;
};

class GzipBytes : public ByteSource {
 public:
  GzipBytes(std::unique_ptr<ByteSource> source, std::string beginning)
      : input_(std::move(source), std::move(beginning)) {
    constexpr int kGzipOnly = 15 + 16;
    is_ready_ = inflateInit2(&stream_, kGzipOnly) == Z_OK;
  }
  ~GzipBytes() override { inflateEnd(&stream_); }
  GzipBytes(const GzipBytes&) = delete;
  GzipBytes& operator=(const GzipBytes&) = delete;

  Result<std::size_t> read(std::span<char> out) override {
    if (!is_ready_) return Status(Code::kInternal, "zlib did not start");
    std::size_t filled = 0;
    while (filled < out.size()) {
      PANAL_ASSIGN(const std::string_view packed, input_.more());
      if (packed.empty()) {
        if (is_between_members_) break;
        return corrupt("gzip", "it ends in the middle");
      }
      PANAL_ASSIGN(const std::size_t count, inflate_some(packed, out.subspan(filled)));
      filled += count;
    }
    PANAL_TRY(input_.gave(filled));
    return filled;
  }

 private:
  Result<std::size_t> inflate_some(std::string_view packed, std::span<char> out) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    const auto room = static_cast<uInt>(std::min<std::size_t>(out.size(), 1U << 30));
    stream_.avail_out = room;
    is_between_members_ = false;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    input_.used(packed.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      is_between_members_ = true;
      inflateReset(&stream_);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return corrupt("gzip", stream_.msg == nullptr ? "it does not unpack" : stream_.msg);
    }
    return static_cast<std::size_t>(room - stream_.avail_out);
  }

  PackedInput input_;
  z_stream stream_{};
  bool is_ready_ = false;
  bool is_between_members_ = false;
};

class ZstdBytes : public ByteSource {
 public:
  ZstdBytes(std::unique_ptr<ByteSource> source, std::string beginning)
      : input_(std::move(source), std::move(beginning)), context_(ZSTD_createDCtx()) {
    if (context_ != nullptr) {
      ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kLargestWindowLog);
    }
  }
  ~ZstdBytes() override { ZSTD_freeDCtx(context_); }
  ZstdBytes(const ZstdBytes&) = delete;
  ZstdBytes& operator=(const ZstdBytes&) = delete;

  Result<std::size_t> read(std::span<char> out) override {
    if (context_ == nullptr) return Status(Code::kResourceExhausted, "no memory to unpack zstd");
    ZSTD_outBuffer plain{out.data(), out.size(), 0};
    while (plain.pos < plain.size) {
      PANAL_ASSIGN(const std::string_view packed, input_.more());
      // Without input what the context still holds comes out.
      ZSTD_inBuffer taken{packed.data(), packed.size(), 0};
      const std::size_t before = plain.pos;
      const std::size_t result = ZSTD_decompressStream(context_, &plain, &taken);
      if (ZSTD_isError(result) != 0) return refused(result);
      input_.used(taken.pos);
      if (!packed.empty() || plain.pos > before) {
        is_between_frames_ = result == 0;
        continue;
      }
      if (!is_between_frames_) return corrupt("zstd", "it ends in the middle");
      break;
    }
    PANAL_TRY(input_.gave(plain.pos));
    return plain.pos;
  }

 private:
  static Status refused(std::size_t result) {
    const std::string_view name = ZSTD_getErrorName(result);
    if (name.find("memory") == std::string_view::npos) return corrupt("zstd", name);
    return Status(Code::kResourceExhausted,
                  fmt::format("the zstd data needs a window of over {} MiB to unpack",
                              1 << (kLargestWindowLog - 20)));
  }

  PackedInput input_;
  ZSTD_DCtx* context_;  // Owned.
  bool is_between_frames_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> unpacked(std::unique_ptr<ByteSource> source, std::string beginning,
                                     Packed packed) {
  if (packed == Packed::kGzip) {
    return std::make_unique<GzipBytes>(std::move(source), std::move(beginning));
  }
  return std::make_unique<ZstdBytes>(std::move(source), std::move(beginning));
}

}  // namespace panal::data::detail
