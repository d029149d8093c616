// Which reader a path needs is decided by names alone, and a folder that could mean two things is
// refused: reading the wrong one of two models silently is worse than asking.
#include "weights/weight_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <system_error>
#include <utility>
#include <vector>

namespace panal::weights {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> kPickleEndings = {".bin", ".pt", ".pth", ".ckpt", ".pkl"};

bool is_pickle(const fs::path& path) {
  return std::ranges::find(kPickleEndings, path.extension().string()) != kPickleEndings.end();
}

Status refuse_pickle(const fs::path& path) {
  return Status(Code::kUnsupported,
                path.string() +
                    " is a Python pickle, which can run code when it is opened, so panal does not "
                    "read it; convert it to safetensors (save_pretrained of the Python package "
                    "transformers writes it) and give that folder");
}

template <typename Opened>
Result<WeightSource> source_from(const fs::path& path, Result<Opened> opened) {
  if (!opened.ok()) return opened.status();
  return WeightSource(path, std::move(*opened));
}

/// The file names in a folder, sorted.
Result<std::vector<fs::path>> files_in(const fs::path& folder) {
  std::error_code failed;
  std::vector<fs::path> files;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code unreadable;
    if (at->is_regular_file(unreadable)) files.push_back(at->path());
  }
  if (failed)
    return Status(Code::kUnavailable, folder.string() + ": cannot list: " + failed.message());
  std::ranges::sort(files);
  return files;
}

Result<WeightSource> open_folder(const fs::path& folder) {
  PANAL_ASSIGN(const std::vector<fs::path> files, files_in(folder));
  std::vector<fs::path> ggufs;
  std::vector<fs::path> safetensors;
  std::vector<fs::path> pickles;
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    if (file.extension() == ".gguf") ggufs.push_back(file);
    if (name == "model.safetensors" || name == "model.safetensors.index.json")
      safetensors.push_back(file);
    if (is_pickle(file)) pickles.push_back(file);
  }
  if (ggufs.size() > 1 || (!ggufs.empty() && !safetensors.empty())) {
    const fs::path& second = ggufs.size() > 1 ? ggufs[1] : safetensors[0];
    return Status(
        Code::kInvalidArgument,
        fmt::format("{} holds more than one set of weights: {} and {}; name the file to read",
                    folder.string(), ggufs[0].filename().string(), second.filename().string()));
  }
  if (!ggufs.empty()) return source_from(folder, GgufFile::open(ggufs[0]));
  if (!safetensors.empty()) return source_from(folder, SafetensorsFolder::open(folder));
  if (!pickles.empty()) return refuse_pickle(pickles[0]);
  return Status(Code::kNotFound, folder.string() +
                                     " holds no weights: expected one *.gguf, model.safetensors or "
                                     "model.safetensors.index.json");
}

}  // namespace

WeightSource::WeightSource(fs::path path, Opened opened)
    : path_(std::move(path)), opened_(std::move(opened)) {}

std::span<const TensorInfo> WeightSource::tensors() const {
  return std::visit([](const auto& opened) { return opened.tensors(); }, opened_);
}

const TensorInfo* WeightSource::find(std::string_view name) const {
  return std::visit([&](const auto& opened) { return opened.find(name); }, opened_);
}

Status WeightSource::read_float32(std::string_view name, std::span<float> out) const {
  return std::visit([&](const auto& opened) { return opened.read_float32(name, out); }, opened_);
}

Result<std::span<const std::byte>> WeightSource::raw_bytes(std::string_view name) const {
  return std::visit([&](const auto& opened) { return opened.raw_bytes(name); }, opened_);
}

const GgufFile* WeightSource::gguf() const { return std::get_if<GgufFile>(&opened_); }

Result<WeightSource> open_weights(const fs::path& path) {
  std::error_code failed;
  const fs::file_status status = fs::status(path, failed);
  if (!fs::exists(status))
    return Status(Code::kNotFound, path.string() + ": no such file or folder");
  if (fs::is_directory(status)) return open_folder(path);
  if (path.extension() == ".gguf") return source_from(path, GgufFile::open(path));
  if (path.extension() == ".safetensors") return source_from(path, SafetensorsFile::open(path));
  if (is_pickle(path)) return refuse_pickle(path);
  return Status(Code::kUnsupported,
                path.string() + ": expected a *.gguf or *.safetensors file, or a model folder");
}

Status check_finite(std::span<const float> values, std::string_view where) {
  // One pass without branches that the compiler vectorises; the place is looked for only when there
  // is one.
  constexpr std::uint32_t kExponent = 0x7F800000u;
  std::uint32_t is_bad = 0;
  for (const float value : values) {
    is_bad |=
        static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent);
  }
  if (is_bad == 0) return Status();
  const auto found =
      std::ranges::find_if_not(values, [](float value) { return std::isfinite(value); });
  return Status(Code::kCorrupt, fmt::format("{}: expected finite values, found {} at index {}",
                                            where, *found, found - values.begin()));
}

Status check_all_finite(const WeightSource& source) {
  std::vector<float> values;
  for (const TensorInfo& info : source.tensors()) {
    const bool is_integer = info.type != DataType::kUnknown && !is_readable_as_float32(info.type);
    if (is_integer) continue;
    // An unreadable type is refused before room is made: its number of values need not be bounded
    // by the file.
    if (is_readable_as_float32(info.type))
      values.resize(static_cast<std::size_t>(info.num_elements));
    PANAL_TRY(source.read_float32(info.name, values));
    PANAL_TRY(check_finite(values, source.path().string() + ": tensor " + info.name));
  }
  return Status();
}

}  // namespace panal::weights
