// Named tensors to and from one safetensors file, bit for bit: checkpoints rest on this. Writing is
// atomic.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace at {
class Tensor;
}
namespace panal::store {
class FileSystem;
}

namespace panal::tensor {

struct NamedTensor;

/// Writes tensors (float64, float32, bfloat16, float16, integers of 8 to 64 bits but uint32
/// and uint64, or bool; any strides, CPU) in the
/// order given, with text metadata. The file appears whole or not at all. Errors: kInvalidArgument
/// for a type that cannot be stored or a name twice; what the file system says.
Status save_tensors(store::FileSystem& files, const std::filesystem::path& path,
                    std::span<const NamedTensor> tensors,
                    const std::map<std::string, std::string>& metadata = {});

/// All tensors of a file in file order, each with its own storage, in their stored types.
/// Errors: kNotFound, kCorrupt (torn or impossible file), kUnsupported (a type torch has no equal
/// of).
Result<std::vector<NamedTensor>> load_tensors(const std::filesystem::path& path);

/// Copies each stored tensor into the tensor of the same name, whose type and shape must match
/// exactly; every name on either side must be on the other. Nothing is copied when anything does
/// not fit.
Status load_tensors_into(const std::filesystem::path& path, std::span<NamedTensor> tensors);

/// A float32 tensor [values.size()] with a copy of `values`.
at::Tensor tensor_from(std::span<const float> values);
/// An int64 tensor [values.size()] from token ids.
at::Tensor tokens_from(std::span<const std::int32_t> tokens);
/// The elements of a contiguous float32 CPU tensor, without a copy. Throws Error when it is not
/// one.
std::span<float> floats_of(const at::Tensor& tensor);

}  // namespace panal::tensor
