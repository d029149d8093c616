// Safetensors, the weights file of Hugging Face: 8 bytes of header length, a JSON header, then the
// tensors' bytes without holes. Reader (one file, or a folder of shards with an index) and an
// atomic, streaming writer. The layout as bytes is in docs/formats.md. Whatever a file claims is
// checked before it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "store/file_system.h"
#include "store/mapped_file.h"
#include "weights/tensor_info.h"

namespace panal::weights {

/// An opened .safetensors file, memory-mapped. Movable; after open() safe for many reading threads.
/// The file must not be changed while it is open.
class SafetensorsFile {
 public:
  /// Errors: kNotFound; kCorrupt names the file, what was wanted and what was found.
  static Result<SafetensorsFile> open(const std::filesystem::path& path);

  SafetensorsFile(SafetensorsFile&&) noexcept = default;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept = default;

  const std::filesystem::path& path() const { return path_; }
  /// The header's "__metadata__": texts only.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// In the order of the data in the file.
  std::span<const TensorInfo> tensors() const { return tensors_; }
  /// nullptr when there is no such tensor.
  const TensorInfo* find(std::string_view name) const;

  /// All values, row-major; out.size() must be num_elements. F64 is rounded to float32.
  /// Errors: kNotFound; kInvalidArgument for a wrong out.size(); kUnsupported (integers) names the
  /// type.
  Status read_float32(std::string_view name, std::span<float> out) const;
  /// The stored little-endian bytes, borrowed from the mapping.
  Result<std::span<const std::byte>> raw_bytes(std::string_view name) const;

 private:
  SafetensorsFile(std::filesystem::path path, store::MappedFile file);
  Status index_header();

  std::filesystem::path path_;
  store::MappedFile file_;
  std::map<std::string, std::string> metadata_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

/// A folder in Hugging Face layout: model.safetensors, or the shards model.safetensors.index.json
/// names.
class SafetensorsFolder {
 public:
  /// Errors: kNotFound names the missing file or shard; kCorrupt when index and shards disagree or
  /// a shard's name is not a plain file name.
  static Result<SafetensorsFolder> open(const std::filesystem::path& folder);

  std::size_t num_files() const { return files_.size(); }
  std::span<const TensorInfo> tensors() const { return tensors_; }
  const TensorInfo* find(std::string_view name) const;
  Status read_float32(std::string_view name, std::span<float> out) const;
  Result<std::span<const std::byte>> raw_bytes(std::string_view name) const;

 private:
  SafetensorsFolder() = default;
  Status open_shards();
  Status add(SafetensorsFile file);
  Result<const SafetensorsFile*> file_of(std::string_view name) const;
  struct Place {
    std::size_t tensor;
    std::size_t file;
  };
  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, Place> by_name_;
};

/// What to write: `values` (row-major float32, borrowed) are stored as `type`: kF32, kF16 or kBF16.
struct TensorToWrite {
  std::string name = {};
  std::vector<std::int64_t> shape = {};
  DataType type = DataType::kF32;
  std::span<const float> values = {};
};

/// Writes all tensors to `path`, replacing it atomically: a reader sees the old file or the whole
/// new one, and after an error (disk full) the old file is untouched and no half file is left.
///
/// Rounding is to nearest even; what is too large for F16 becomes infinity, as in PyTorch. The
/// order in the file is that of SafetensorsWriter::plan(), so equal input gives equal bytes.
/// `metadata` defaults to what the Python packages want. Errors: kInvalidArgument for duplicate
/// names, a size that does not match the shape, other types; I/O errors.
Status write_safetensors(store::FileSystem& files, const std::filesystem::path& path,
                         std::span<const TensorToWrite> tensors,
                         const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

/// The streaming form, for models of which only one tensor at a time is in memory. Not thread-safe.
class SafetensorsWriter {
 public:
  /// plan: name, shape and type of every tensor (the other fields are computed). Every type but the
  /// quantised ones and kUnknown can be written.
  static Result<SafetensorsWriter> create(
      store::FileSystem& files, const std::filesystem::path& path, std::vector<TensorInfo> plan,
      const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

  SafetensorsWriter(SafetensorsWriter&&) noexcept = default;
  SafetensorsWriter& operator=(SafetensorsWriter&&) = delete;

  /// The order in which write() and write_bytes() want the tensors: types with the widest values
  /// first, because readers view the data in place and need it aligned; among equals the order
  /// given.
  std::span<const TensorInfo> plan() const { return plan_; }
  /// Stores float32 values as the planned type: kF32, kF16 or kBF16.
  Status write(std::string_view name, std::span<const float> values);
  /// Stores little-endian values of the planned type as they are: any type.
  Status write_bytes(std::string_view name, std::span<const std::byte> bytes);
  /// Syncs and gives the file its name; without it nothing appears.
  /// Errors: kInvalidArgument when a planned tensor was not written.
  Status finish();

 private:
  SafetensorsWriter(store::AtomicFile file, std::vector<TensorInfo> plan);
  Result<const TensorInfo*> next(std::string_view name) const;

  store::AtomicFile file_;
  std::vector<TensorInfo> plan_;
  std::size_t num_written_ = 0;  // Tensors of plan_ that are complete.
};

}  // namespace panal::weights
