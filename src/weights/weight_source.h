// One way to read a model's weights, whatever file they came in: a GGUF file, a safetensors file,
// or a Hugging Face folder of shards. Pickle files are refused: opening one can run any code.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "weights/gguf.h"
#include "weights/safetensors.h"
#include "weights/tensor_info.h"

namespace panal::weights {

/// Movable; after opening, safe for many reading threads.
class WeightSource {
 public:
  using Opened = std::variant<GgufFile, SafetensorsFile, SafetensorsFolder>;
  WeightSource(std::filesystem::path path, Opened opened);

  /// The file, or the folder, that was opened.
  const std::filesystem::path& path() const { return path_; }
  std::span<const TensorInfo> tensors() const;
  /// nullptr when there is no such tensor.
  const TensorInfo* find(std::string_view name) const;
  /// As GgufFile::read_float32 and SafetensorsFile::read_float32.
  Status read_float32(std::string_view name, std::span<float> out) const;
  Result<std::span<const std::byte>> raw_bytes(std::string_view name) const;
  /// The GGUF file with its metadata, or nullptr when the weights are safetensors.
  const GgufFile* gguf() const;

 private:
  std::filesystem::path path_;
  Opened opened_;
};

/// Opens *.gguf, *.safetensors, a folder with exactly one *.gguf, or a folder with
/// model.safetensors or model.safetensors.index.json. Errors: kNotFound; kInvalidArgument when a
/// folder holds both kinds or several *.gguf (it names them); kUnsupported for pickle files (.bin,
/// .pt, .pth, .ckpt), with what to do; kCorrupt from the readers.
Result<WeightSource> open_weights(const std::filesystem::path& path);

/// Refuses NaN and infinity, which a flipped bit in a scale leaves behind. `where` goes before the
/// message.
Status check_finite(std::span<const float> values, std::string_view where);
/// Reads every tensor that can be read as float32 and refuses the first one with a value that is
/// not finite, or that no reader here understands (integer tensors are passed over). Cost: one read
/// of the file; memory of the largest tensor as float32.
Status check_all_finite(const WeightSource& source);

}  // namespace panal::weights
