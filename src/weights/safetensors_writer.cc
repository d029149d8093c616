// Writing safetensors: the plan fixes all offsets, so the header goes out first and the tensors
// follow one by one, converted in pieces of bounded size.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "weights/detail/decode.h"
#include "weights/detail/float_formats.h"
#include "weights/detail/safetensors_header.h"
#include "weights/safetensors.h"

namespace panal::weights {
namespace {

constexpr std::size_t kPieceValues = 1 << 18;  // 512 KiB of half-precision values at a time.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Status invalid(const std::string& message) { return Status(Code::kInvalidArgument, message); }

/// Fills in counts, sizes and offsets of a plan in its final order.
Status lay_out(std::vector<TensorInfo>& plan) {
  std::unordered_set<std::string_view> names;
  std::uint64_t end = 0;
  for (TensorInfo& info : plan) {
    if (info.name.empty() || info.name == "__metadata__" || !names.insert(info.name).second) {
      return invalid("cannot write two tensors of one name, or a reserved name: \"" + info.name +
                     "\"");
    }
    const auto block = detail::block_size(info.type);
    if (!block || block->values != 1) {
      return invalid(fmt::format("cannot write tensor {} as {}: safetensors holds plain types only",
                                 info.name, data_type_name(info.type)));
    }
    const auto num_elements = detail::checked_num_elements(info.shape);
    if (!num_elements || static_cast<std::uint64_t>(*num_elements) > (std::uint64_t{1} << 58)) {
      return invalid(fmt::format("cannot write tensor {}: shape {} is not possible", info.name,
                                 shape_text(info.shape)));
    }
    info.num_elements = *num_elements;
    info.type_name = data_type_name(info.type);
    info.data_bytes = static_cast<std::uint64_t>(*num_elements) * block->bytes;
    info.offset_bytes = end;
    end += info.data_bytes;
  }
  return Status();
}

template <typename Convert>
Status write_converted(store::AtomicFile& file, std::span<const float> values, Convert convert) {
  std::vector<std::uint16_t> piece(std::min(values.size(), kPieceValues));
  while (!values.empty()) {
    const auto now = values.first(std::min(values.size(), kPieceValues));
    std::ranges::transform(now, piece.begin(), convert);
    PANAL_TRY(file.write(as_text(std::as_bytes(std::span(piece).first(now.size())))));
    values = values.subspan(now.size());
  }
  return Status();
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(store::AtomicFile file, std::vector<TensorInfo> plan)
    : file_(std::move(file)), plan_(std::move(plan)) {}

Result<SafetensorsWriter> SafetensorsWriter::create(
    store::FileSystem& files, const std::filesystem::path& path, std::vector<TensorInfo> plan,
    const std::map<std::string, std::string>& metadata) {
  std::ranges::stable_sort(plan, std::ranges::greater(), [](const TensorInfo& info) {
    return detail::block_size(info.type).value_or(detail::BlockSize{}).bytes;
  });
  PANAL_TRY(lay_out(plan).with_context(path.string()));
  const std::string header = detail::safetensors_header_text(plan, metadata);
  if (header.size() > kMaxHeaderBytes) {
    return invalid(fmt::format("{}: the header would take {} bytes; readers accept {}",
                               path.string(), header.size(), kMaxHeaderBytes));
  }
  PANAL_ASSIGN(store::AtomicFile file, store::AtomicFile::create(files, path));
  const auto header_bytes = static_cast<std::uint64_t>(header.size());
  PANAL_TRY(file.write(as_text(std::as_bytes(std::span(&header_bytes, 1)))));
  PANAL_TRY(file.write(header));
  return SafetensorsWriter(std::move(file), std::move(plan));
}

Result<const TensorInfo*> SafetensorsWriter::next(std::string_view name) const {
  if (num_written_ == plan_.size() || plan_[num_written_].name != name) {
    return invalid(fmt::format(
        "tensor {} written out of turn: expected {}", name,
        num_written_ == plan_.size() ? "none after the last" : plan_[num_written_].name));
  }
  return &plan_[num_written_];
}

Status SafetensorsWriter::write(std::string_view name, std::span<const float> values) {
  PANAL_ASSIGN(const TensorInfo* info, next(name));
  if (values.size() != static_cast<std::uint64_t>(info->num_elements)) {
    return invalid(fmt::format("tensor {} {} has {} values, but {} were given", name,
                               shape_text(info->shape), info->num_elements, values.size()));
  }
  switch (info->type) {
    case DataType::kF32:
      PANAL_TRY(file_.write(as_text(std::as_bytes(values))));
      break;
    case DataType::kF16:
      PANAL_TRY(write_converted(file_, values, detail::half_from_float));
      break;
    case DataType::kBF16:
      PANAL_TRY(write_converted(file_, values, detail::bfloat16_from_float));
      break;
    default:
      return invalid(fmt::format("tensor {} of type {} cannot be written from float32 values", name,
                                 info->type_name));
  }
  ++num_written_;
  return Status();
}

Status SafetensorsWriter::write_bytes(std::string_view name, std::span<const std::byte> bytes) {
  PANAL_ASSIGN(const TensorInfo* info, next(name));
  if (bytes.size() != info->data_bytes) {
    return invalid(fmt::format("tensor {} {} of type {} takes {} bytes, but {} were given", name,
                               shape_text(info->shape), info->type_name, info->data_bytes,
                               bytes.size()));
  }
  PANAL_TRY(file_.write(as_text(bytes)));
  ++num_written_;
  return Status();
}

Status SafetensorsWriter::finish() {
  if (num_written_ != plan_.size()) {
    return invalid(
        fmt::format("cannot finish: tensor {} was not written", plan_[num_written_].name));
  }
  return file_.commit();
}

Status write_safetensors(store::FileSystem& files, const std::filesystem::path& path,
                         std::span<const TensorToWrite> tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::vector<TensorInfo> plan;
  std::map<std::string_view, std::span<const float>> values;
  for (const TensorToWrite& tensor : tensors) {
    TensorInfo info;
    info.name = tensor.name;
    info.shape = tensor.shape;
    info.type = tensor.type;
    plan.push_back(std::move(info));
    values.emplace(tensor.name, tensor.values);
  }
  PANAL_ASSIGN(SafetensorsWriter writer,
               SafetensorsWriter::create(files, path, std::move(plan), metadata));
  for (const TensorInfo& info : writer.plan()) {
    PANAL_TRY(writer.write(info.name, values.at(info.name)).with_context(path.string()));
  }
  return writer.finish();
}

}  // namespace panal::weights
