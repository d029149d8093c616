#include "train/detail/checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>

#include "base/hash.h"
#include "tensor/named_tensor.h"
#include "tensor/runtime.h"
#include "tensor/tensor_file.h"
#include "weights/safetensors.h"

namespace panal::train::detail {
namespace {

constexpr std::string_view kFormat = "panal-checkpoint-2";
constexpr std::string_view kPrefix = "step_";
constexpr std::string_view kUnfinished = ".unfinished_";
constexpr std::array<const char*, 2> kTensorFiles = {"weights.safetensors",
                                                     "optimizer.safetensors"};
constexpr std::int64_t kMost = std::int64_t{1} << 60;

std::optional<std::int64_t> step_of(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (error != std::errc() || rest != end) return std::nullopt;
  return step;
}

// Read piece by piece: as a mapping a checkpoint would stand in memory beside the state it was made
// of.
Result<std::string> checksum_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status(Code::kNotFound, path.string() + ": cannot be opened");
  std::vector<char> piece(std::size_t{1} << 20);
  Xxh3 hash;
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())).gcount() > 0) {
    hash.update(std::as_bytes(std::span(piece.data(), static_cast<std::size_t>(file.gcount()))));
  }
  if (file.bad()) return Status(Code::kUnavailable, path.string() + ": cannot be read");
  return fmt::format("{:016x}", hash.digest());
}

// state.json holds the counters as text with that text's checksum, beside the checksums of the
// tensor files.
Result<Json> read_state(const std::filesystem::path& checkpoint) {
  const auto path = checkpoint / "state.json";
  const std::string where = path.string();
  PANAL_ASSIGN(const std::string text, store::read_file(path, 64 << 20));
  PANAL_ASSIGN(const Json json, parse_json(text, where));
  PANAL_ASSIGN(const std::string format, json_string(json, "format", where));
  if (format != kFormat) {
    return Status(Code::kCorrupt,
                  fmt::format("{}: expected format {}, found {}", where, kFormat, format));
  }
  PANAL_ASSIGN(const std::string body, json_string(json, "body", where));
  PANAL_ASSIGN(const std::string checksum, json_string(json, "checksum", where));
  if (checksum != fmt::format("{:016x}", xxh3_64(body))) {
    return Status(Code::kCorrupt, where + ": its contents do not have its checksum");
  }
  return parse_json(body, where);
}

Status check_files(const std::filesystem::path& checkpoint, const Json& state) {
  for (const char* name : kTensorFiles) {
    const auto path = checkpoint / name;
    PANAL_ASSIGN(const std::string wanted,
                 json_string(state, name, (checkpoint / "state.json").string()));
    PANAL_ASSIGN(const std::string found, checksum_of(path));
    if (wanted != found) {
      return Status(Code::kCorrupt, fmt::format("{}: expected checksum {}, found {}", path.string(),
                                                wanted, found));
    }
  }
  return Status();
}

// What the disk gives back against what was to be written, before the old checkpoints may go.
Status compare_tensors(const std::filesystem::path& path,
                       std::span<const tensor::NamedTensor> tensors) {
  PANAL_ASSIGN(const weights::SafetensorsFile file, weights::SafetensorsFile::open(path));
  for (const tensor::NamedTensor& tensor : tensors) {
    const at::Tensor value = tensor.value.detach().to(at::kCPU).contiguous();
    PANAL_ASSIGN(const std::span<const std::byte> found, file.raw_bytes(tensor.name));
    if (found.size() != value.nbytes() ||
        (!found.empty() && std::memcmp(found.data(), value.const_data_ptr(), found.size()) != 0)) {
      return Status(Code::kCorrupt,
                    fmt::format("{}: tensor {} does not read back as it was written", path.string(),
                                tensor.name));
    }
  }
  return Status();
}

Status write_files(store::FileSystem& files, const std::filesystem::path& folder,
                   const Snapshot& snapshot, bool verifies) {
  Json state = counters_to_json(snapshot.counters);
  state["optimizer_steps"] = snapshot.optimizer_steps;
  const std::array tensors = {&snapshot.weights, &snapshot.moments};
  for (std::size_t i = 0; i < kTensorFiles.size(); ++i) {
    const auto path = folder / kTensorFiles[i];
    PANAL_TRY(tensor::save_tensors(files, path, *tensors[i]));
    if (verifies) PANAL_TRY(compare_tensors(path, *tensors[i]));
    PANAL_ASSIGN(state[kTensorFiles[i]], checksum_of(path));
  }
  const std::string body = to_line(state);
  const Json json = {
      {"format", kFormat}, {"checksum", fmt::format("{:016x}", xxh3_64(body))}, {"body", body}};
  return store::write_file_atomically(files, folder / "state.json", to_line(json));
}

}  // namespace

std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (step_of(entry.path())) found.push_back(entry.path());
  }
  std::ranges::sort(found, [](const auto& a, const auto& b) { return *step_of(a) > *step_of(b); });
  return found;
}

void remove_checkpoint(const std::filesystem::path& checkpoint) {
  // Renamed first, so that a crash in between cannot leave a checkpoint that lacks some of its
  // files.
  std::error_code ignored;
  const auto doomed =
      checkpoint.parent_path() / (std::string(kUnfinished) + checkpoint.filename().string());
  std::filesystem::rename(checkpoint, doomed, ignored);
  std::filesystem::remove_all(doomed, ignored);
}

Result<std::filesystem::path> save_checkpoint(store::FileSystem& files,
                                              const std::filesystem::path& folder,
                                              const Snapshot& snapshot, bool verifies) {
  const std::int64_t step = snapshot.counters.step;
  const std::string name = fmt::format("{}{:08}", kPrefix, step);
  const auto unfinished = folder / (std::string(kUnfinished) + name);
  std::error_code ignored;  // What cannot be removed makes the writing fail, with a better message.
  std::filesystem::remove_all(unfinished, ignored);
  std::filesystem::remove_all(folder / name, ignored);  // Only a damaged one can be there.
  const Status written = [&]() -> Status {
    PANAL_TRY(store::make_directories(files, folder));
    PANAL_TRY(files.make_directory(unfinished));
    PANAL_TRY(write_files(files, unfinished, snapshot, verifies));
    PANAL_TRY(files.sync_directory(unfinished));
    PANAL_TRY(files.rename(unfinished, folder / name));
    return files.sync_directory(folder);
  }();
  if (!written.ok()) {
    std::filesystem::remove_all(unfinished, ignored);
    return written.with_context(
        fmt::format("checkpoint of step {} was not written; earlier ones are kept", step));
  }
  return folder / name;
}

Result<Counters> read_counters(const std::filesystem::path& checkpoint) {
  PANAL_ASSIGN(const Json state, read_state(checkpoint));
  return counters_from_json(state, (checkpoint / "state.json").string());
}

Result<Counters> load_checkpoint(const std::filesystem::path& checkpoint,
                                 std::span<const tensor::NamedTensor> parameters,
                                 optim::Optimizer& optimizer) {
  PANAL_ASSIGN(const Json state, read_state(checkpoint));
  PANAL_TRY(check_files(checkpoint, state));
  const std::string where = (checkpoint / "state.json").string();
  PANAL_ASSIGN(Counters counters, counters_from_json(state, where));
  PANAL_ASSIGN(const std::int64_t steps, json_integer(state, "optimizer_steps", where, 0, kMost));
  const at::NoGradGuard no_gradients;
  std::vector<tensor::NamedTensor> weights(parameters.begin(), parameters.end());
  PANAL_TRY(tensor::load_tensors_into(checkpoint / kTensorFiles[0], weights));
  std::vector<tensor::NamedTensor> moments = optimizer.state();
  moments.push_back({kRandomState, tensor::random_state()});
  PANAL_TRY(tensor::load_tensors_into(checkpoint / kTensorFiles[1], moments));
  tensor::set_random_state(moments.back().value);
  optimizer.set_num_steps(steps);
  return counters;
}

void remove_old_checkpoints(const std::filesystem::path& folder, const CheckpointPolicy& policy) {
  std::error_code ignored;
  const auto found = list_checkpoints(folder);
  for (std::size_t i = static_cast<std::size_t>(policy.keep); i < found.size(); ++i) {
    const std::int64_t step = *step_of(found[i]);
    if (step == policy.best_step || step == policy.good_step) continue;
    if (policy.keep_every_steps > 0 && step % policy.keep_every_steps == 0) continue;
    remove_checkpoint(found[i]);
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with(kUnfinished)) {
      std::filesystem::remove_all(entry.path(), ignored);
    }
  }
}

}  // namespace panal::train::detail
