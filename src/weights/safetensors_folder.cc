// Reading a Hugging Face folder. The index is untrusted too: it may not lead outside the folder,
// and it must agree with the shards about which tensor lies where.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "store/file_system.h"
#include "store/git_lfs.h"
#include "weights/safetensors.h"

namespace panal::weights {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxIndexBytes = 100'000'000;
constexpr std::size_t kMaxShards = 10'000;
constexpr std::string_view kSingle = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";

/// Tensor name to shard's file name.
using WeightMap = std::map<std::string, std::string>;

bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

Result<WeightMap> read_index(const fs::path& path) {
  const auto corrupt = [&](const std::string& problem) {
    return Status(Code::kCorrupt, path.string() + ": " + problem);
  };
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMaxIndexBytes));
  PANAL_TRY(store::refuse_lfs_pointer(text, path));
  // A plain nlohmann::json: looking up a name among tens of thousands is fast in it, unlike in
  // panal::Json.
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    return corrupt("expected a JSON object with an object \"weight_map\"");
  }
  WeightMap weight_map;
  for (const auto& [name, shard] : json["weight_map"].items()) {
    if (!shard.is_string() || !is_plain_file_name(shard.get_ref<const std::string&>())) {
      return corrupt("the shard of tensor " + name + " must be a plain file name, found " +
                     shard.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }
    weight_map.emplace(name, shard.get<std::string>());
  }
  if (weight_map.empty()) return corrupt("\"weight_map\" names no tensors");
  return weight_map;
}

Status missing_shard(const fs::path& index, const std::string& shard) {
  return Status(Code::kNotFound,
                fmt::format("{}: the shard {} is missing; it must lie in the same folder",
                            index.string(), shard));
}

}  // namespace

Result<SafetensorsFolder> SafetensorsFolder::open(const fs::path& folder) {
  std::error_code ignored;
  const bool has_single = fs::exists(folder / kSingle, ignored);
  const bool has_index = fs::exists(folder / kIndex, ignored);
  if (has_single && has_index) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{} holds both {} and {}; keep only the one to read", folder.string(),
                              kSingle, kIndex));
  }
  SafetensorsFolder opened;
  opened.folder_ = folder;
  if (has_index) {
    PANAL_TRY(opened.open_shards());
    return opened;
  }
  if (!has_single) {
    return Status(Code::kNotFound,
                  fmt::format("{} holds neither {} nor {}", folder.string(), kSingle, kIndex));
  }
  PANAL_ASSIGN(SafetensorsFile file, SafetensorsFile::open(folder / kSingle));
  PANAL_TRY(opened.add(std::move(file)));
  return opened;
}

Status SafetensorsFolder::open_shards() {
  const fs::path index = folder_ / kIndex;
  PANAL_ASSIGN(const WeightMap weight_map, read_index(index));
  std::set<std::string> shards;
  for (const auto& [name, shard] : weight_map) shards.insert(shard);
  if (shards.size() > kMaxShards) {
    return Status(Code::kCorrupt, fmt::format("{}: expected at most {} shards, found {}",
                                              index.string(), kMaxShards, shards.size()));
  }
  for (const std::string& shard : shards) {
    Result<SafetensorsFile> file = SafetensorsFile::open(folder_ / shard);
    if (file.code() == Code::kNotFound) return missing_shard(index, shard);
    if (!file.ok()) return file.status();
    for (const TensorInfo& info : file->tensors()) {
      const auto placed = weight_map.find(info.name);
      if (placed == weight_map.end() || placed->second != shard) {
        return Status(Code::kCorrupt,
                      fmt::format("{}: tensor {} lies in {}, but the index says {}", index.string(),
                                  info.name, shard,
                                  placed == weight_map.end() ? "nothing of it" : placed->second));
      }
    }
    PANAL_TRY(add(std::move(*file)));
  }
  for (const auto& [name, shard] : weight_map) {
    if (find(name) == nullptr) {
      return Status(Code::kCorrupt, fmt::format("{}: tensor {} should be in {}, but it is not",
                                                index.string(), name, shard));
    }
  }
  return Status();
}

Status SafetensorsFolder::add(SafetensorsFile file) {
  for (const TensorInfo& info : file.tensors()) {
    const Place place{.tensor = tensors_.size(), .file = files_.size()};
    if (!by_name_.emplace(info.name, place).second) {
      return Status(Code::kCorrupt,
                    fmt::format("{}: tensor {} is in two shards, {} the second", folder_.string(),
                                info.name, file.path().filename().string()));
    }
    tensors_.push_back(info);
  }
  files_.push_back(std::move(file));
  return Status();
}

const TensorInfo* SafetensorsFolder::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? nullptr : &tensors_[found->second.tensor];
}

Result<const SafetensorsFile*> SafetensorsFolder::file_of(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  if (found == by_name_.end()) {
    return Status(Code::kNotFound,
                  fmt::format("{}: there is no tensor {}", folder_.string(), name));
  }
  return &files_[found->second.file];
}

Status SafetensorsFolder::read_float32(std::string_view name, std::span<float> out) const {
  PANAL_ASSIGN(const SafetensorsFile* file, file_of(name));
  return file->read_float32(name, out);
}

Result<std::span<const std::byte>> SafetensorsFolder::raw_bytes(std::string_view name) const {
  PANAL_ASSIGN(const SafetensorsFile* file, file_of(name));
  return file->raw_bytes(name);
}

}  // namespace panal::weights
