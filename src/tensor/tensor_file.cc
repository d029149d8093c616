#include "tensor/tensor_file.h"

#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <torch/types.h>

#include <cstring>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/json.h"
#include "store/file_system.h"
#include "tensor/named_tensor.h"
#include "weights/safetensors.h"

namespace panal::tensor {
namespace {

struct StoredType {
  at::ScalarType torch;
  weights::DataType file;
};
constexpr StoredType kStoredTypes[] = {
    {at::kFloat, weights::DataType::kF32}, {at::kBFloat16, weights::DataType::kBF16},
    {at::kHalf, weights::DataType::kF16},  {at::kDouble, weights::DataType::kF64},
    {at::kLong, weights::DataType::kI64},  {at::kInt, weights::DataType::kI32},
    {at::kByte, weights::DataType::kU8},   {at::kChar, weights::DataType::kI8},
    {at::kShort, weights::DataType::kI16}, {at::kUInt16, weights::DataType::kU16},
    {at::kBool, weights::DataType::kBool},
};

const StoredType* stored_type(at::ScalarType type) {
  for (const StoredType& stored : kStoredTypes) {
    if (stored.torch == type) return &stored;
  }
  return nullptr;
}

const StoredType* stored_type(weights::DataType type) {
  for (const StoredType& stored : kStoredTypes) {
    if (stored.file == type) return &stored;
  }
  return nullptr;
}

// Length of the header first, then the header, padded so that the data start on a multiple of 8.
Result<std::string> header_text(std::span<const NamedTensor> tensors,
                                const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string> names = {"__metadata__"};
  std::uint64_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    const StoredType* type = stored_type(tensor.value.scalar_type());
    if (type == nullptr) {
      return Status(Code::kInvalidArgument,
                    fmt::format("tensor {}: type {} cannot be stored", tensor.name,
                                at::toString(tensor.value.scalar_type())));
    }
    if (!names.insert(tensor.name).second) {
      return Status(Code::kInvalidArgument, "tensor name used twice: " + tensor.name);
    }
    const std::uint64_t end = offset + static_cast<std::uint64_t>(tensor.value.nbytes());
    header[tensor.name] = {{"dtype", std::string(weights::data_type_name(type->file))},
                           {"shape", tensor.value.sizes().vec()},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  std::string framed(sizeof length, '\0');
  std::memcpy(framed.data(), &length,
              sizeof length);  // Little endian, as every machine panal runs on.
  return framed + text;
}

Result<at::Tensor> read_tensor(const weights::SafetensorsFile& file,
                               const weights::TensorInfo& info) {
  const StoredType* type = stored_type(info.type);
  if (type == nullptr) {
    return Status(Code::kUnsupported,
                  fmt::format("{}: tensor {} has type {}, which cannot be loaded",
                              file.path().string(), info.name, info.type_name));
  }
  PANAL_ASSIGN(const std::span<const std::byte> bytes, file.raw_bytes(info.name));
  at::Tensor tensor = at::empty(info.shape, type->torch);
  if (tensor.nbytes() != bytes.size()) {
    return Status(Code::kCorrupt,
                  fmt::format("{}: tensor {}: wanted {} bytes, found {}", file.path().string(),
                              info.name, tensor.nbytes(), bytes.size()));
  }
  if (!bytes.empty()) std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

// Type and shape of a stored tensor against those of the tensor it is to fill.
Status check_fits(const weights::SafetensorsFile& file, const NamedTensor& tensor) {
  const weights::TensorInfo* info = file.find(tensor.name);
  if (info == nullptr) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: tensor {} is missing", file.path().string(), tensor.name));
  }
  const StoredType* type = stored_type(info->type);
  if (type == nullptr || type->torch != tensor.value.scalar_type() ||
      info->shape != tensor.value.sizes().vec()) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: tensor {}: wanted {} {}, found {} {}", file.path().string(),
                              tensor.name, at::toString(tensor.value.scalar_type()),
                              weights::shape_text(tensor.value.sizes().vec()), info->type_name,
                              weights::shape_text(info->shape)));
  }
  return Status();
}

}  // namespace

Status save_tensors(store::FileSystem& files, const std::filesystem::path& path,
                    std::span<const NamedTensor> tensors,
                    const std::map<std::string, std::string>& metadata) {
  return capture([&]() -> Status {
    PANAL_ASSIGN(const std::string header, header_text(tensors, metadata));
    PANAL_ASSIGN(store::AtomicFile file, store::AtomicFile::create(files, path));
    PANAL_TRY(file.write(header));
    for (const NamedTensor& tensor : tensors) {
      const at::Tensor value = tensor.value.detach().to(at::kCPU).contiguous();
      PANAL_TRY(file.write({static_cast<const char*>(value.const_data_ptr()), value.nbytes()}));
    }
    return file.commit();
  });
}

Result<std::vector<NamedTensor>> load_tensors(const std::filesystem::path& path) {
  return capture([&]() -> Result<std::vector<NamedTensor>> {
    PANAL_ASSIGN(const weights::SafetensorsFile file, weights::SafetensorsFile::open(path));
    std::vector<NamedTensor> tensors;
    for (const weights::TensorInfo& info : file.tensors()) {
      PANAL_ASSIGN(at::Tensor value, read_tensor(file, info));
      tensors.push_back({info.name, std::move(value)});
    }
    return tensors;
  });
}

Status load_tensors_into(const std::filesystem::path& path, std::span<NamedTensor> tensors) {
  return capture([&]() -> Status {
    PANAL_ASSIGN(const weights::SafetensorsFile file, weights::SafetensorsFile::open(path));
    std::set<std::string_view> wanted;
    for (const NamedTensor& tensor : tensors) {
      PANAL_TRY(check_fits(file, tensor));
      wanted.insert(tensor.name);
    }
    for (const weights::TensorInfo& info : file.tensors()) {
      if (!wanted.contains(info.name)) {
        return Status(Code::kInvalidArgument,
                      fmt::format("{}: unknown tensor {}", path.string(), info.name));
      }
    }
    const at::NoGradGuard no_gradient;
    for (NamedTensor& tensor : tensors) {
      PANAL_ASSIGN(const at::Tensor stored, read_tensor(file, *file.find(tensor.name)));
      tensor.value.copy_(stored);
    }
    return Status();
  });
}

at::Tensor tensor_from(std::span<const float> values) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kFloat);
  if (!values.empty()) std::memcpy(tensor.data_ptr<float>(), values.data(), values.size_bytes());
  return tensor;
}

at::Tensor tokens_from(std::span<const std::int32_t> tokens) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(tokens.size())}, at::kLong);
  std::copy(tokens.begin(), tokens.end(), tensor.data_ptr<std::int64_t>());
  return tensor;
}

std::span<float> floats_of(const at::Tensor& tensor) {
  PANAL_REQUIRE(tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.is_contiguous(),
                "floats_of: wanted a contiguous float32 tensor on the CPU");
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace panal::tensor
