// Reading one file: the header is checked as a whole at opening, so reading a tensor is a lookup
// and a copy.
#include "weights/safetensors.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "store/git_lfs.h"
#include "weights/detail/decode.h"
#include "weights/detail/safetensors_header.h"

namespace panal::weights {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // The format's own limit.

std::string_view text_of(const store::MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::filesystem::path path, store::MappedFile file)
    : path_(std::move(path)), file_(std::move(file)) {}

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  PANAL_ASSIGN(store::MappedFile mapped, store::MappedFile::open(path));
  PANAL_TRY(store::refuse_lfs_pointer(text_of(mapped), path));
  SafetensorsFile file(path, std::move(mapped));
  PANAL_TRY(file.index_header());
  return file;
}

Status SafetensorsFile::index_header() {
  const std::span<const std::byte> bytes = file_.bytes();
  const auto corrupt = [&](const std::string& problem) {
    return Status(Code::kCorrupt, path_.string() + ": " + problem);
  };
  if (bytes.size() < kLengthBytes) {
    return corrupt(
        fmt::format("expected a header length of 8 bytes, but the file has {}", bytes.size()));
  }
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), kLengthBytes);
  const std::uint64_t rest = bytes.size() - kLengthBytes;
  if (header_bytes > kMaxHeaderBytes || header_bytes > rest) {
    return corrupt(fmt::format("the header claims {} bytes at byte 0, but at most {} can follow",
                               header_bytes, std::min(rest, kMaxHeaderBytes)));
  }
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              header_bytes);
  PANAL_ASSIGN(detail::SafetensorsHeader header,
               detail::parse_safetensors_header(json, rest - header_bytes, path_.string()));
  metadata_ = std::move(header.metadata);
  tensors_ = std::move(header.tensors);
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    tensors_[i].offset_bytes += kLengthBytes + header_bytes;
    by_name_.emplace(tensors_[i].name, i);
  }
  return Status();
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

Result<std::span<const std::byte>> SafetensorsFile::raw_bytes(std::string_view name) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) {
    return Status(Code::kNotFound, fmt::format("{}: there is no tensor {}", path_.string(), name));
  }
  return file_.bytes().subspan(info->offset_bytes, info->data_bytes);
}

Status SafetensorsFile::read_float32(std::string_view name, std::span<float> out) const {
  PANAL_ASSIGN(const std::span<const std::byte> stored, raw_bytes(name));
  return detail::decode(*find(name), stored, out, path_.string());
}

}  // namespace panal::weights
