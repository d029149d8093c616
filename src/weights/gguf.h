// GGUF (versions 2 and 3, little endian), the file of llama.cpp: typed metadata, then a table of
// tensors, then their data, memory-mapped. The layout as bytes is in docs/formats.md. Everything in
// the file is untrusted: each count, length, offset and product is checked against the file's size
// before it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/mapped_file.h"
#include "weights/tensor_info.h"

namespace panal::weights {

namespace detail {
struct GgufIndex;
}

/// An opened GGUF file. Movable; after open() every const member may be called from many threads.
/// The file must not be changed while it is open.
class GgufFile {
 public:
  /// Reads metadata and tensor table, not the tensors: milliseconds for a model of any size.
  /// Errors: kNotFound; kCorrupt names the file, what was wanted, what was found and at which byte;
  /// kUnsupported for other versions and for big-endian files.
  static Result<GgufFile> open(const std::filesystem::path& path);

  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;
  ~GgufFile();

  std::filesystem::path path() const;
  std::uint32_t version() const;
  std::uint64_t file_bytes() const;

  /// Metadata keys in file order.
  std::span<const std::string> keys() const;
  bool has(std::string_view key) const;
  /// Getters. Errors: kNotFound when the key is missing (has() asks first where it is optional);
  /// kInvalidArgument when the value has another type, or an integer does not fit into int64.
  Result<std::string> string(std::string_view key) const;
  Result<std::int64_t> integer(std::string_view key) const;
  /// Integers are accepted as numbers too.
  Result<double> number(std::string_view key) const;
  Result<bool> boolean(std::string_view key) const;
  Result<std::vector<std::string>> strings(std::string_view key) const;
  Result<std::vector<std::int64_t>> integers(std::string_view key) const;
  Result<std::vector<float>> numbers(std::string_view key) const;
  /// Borrowed from the mapping: valid as long as this file object (moving it is fine). No copy of
  /// the bytes.
  Result<std::vector<std::string_view>> string_views(std::string_view key) const;
  /// Number of entries of an array of any type, without decoding it.
  Result<std::int64_t> array_length(std::string_view key) const;

  /// In file order. Shapes are row-major, outermost first (GGUF stores them reversed).
  std::span<const TensorInfo> tensors() const;
  /// nullptr when there is no such tensor.
  const TensorInfo* find(std::string_view name) const;

  /// All values of a tensor, row-major. out.size() must be its num_elements.
  /// Exactly equal to gguf.quants.dequantize of llama.cpp's Python package.
  /// Errors: kNotFound; kInvalidArgument for a wrong out.size(); kUnsupported names tensor and type
  /// (K-quants).
  Status read_float32(std::string_view name, std::span<float> out) const;
  /// The stored bytes (blocks of quantised values), borrowed from the mapping. Errors: kNotFound.
  Result<std::span<const std::byte>> raw_bytes(std::string_view name) const;

 private:
  Result<std::string_view> string_view_at(std::uint64_t offset) const;
  GgufFile(store::MappedFile file, std::unique_ptr<detail::GgufIndex> index);
  store::MappedFile file_;
  std::unique_ptr<detail::GgufIndex> index_;  // Constant after open().
};

}  // namespace panal::weights
