#include "train/detail/checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/hash.h"
#include "store/mapped_file.h"
#include "tensor/named_tensor.h"
#include "tensor/tensor_file.h"

namespace panal::train::detail {
namespace {

constexpr std::string_view kFormat = "panal-checkpoint-1";
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

Result<std::string> checksum_of(const std::filesystem::path& path) {
  PANAL_ASSIGN(const store::MappedFile file, store::MappedFile::open(path));
  return fmt::format("{:016x}", xxh3_64(file.bytes()));
}

Json to_json(const Counters& counters, std::int64_t optimizer_steps) {
  Json json = {{"step", counters.step},
               {"tokens", counters.tokens},
               {"skipped_steps", counters.skipped_steps},
               {"optimizer_steps", optimizer_steps},
               {"seconds", counters.seconds},
               {"training_seconds", counters.training_seconds},
               {"recent_losses", counters.recent_losses},
               {"energy", energy_to_json(counters.energy)},
               {"stream", counters.stream}};
  if (counters.first_evaluation) {
    json["first_evaluation"] = evaluation_to_json(*counters.first_evaluation);
  }
  if (counters.last_evaluation) {
    json["last_evaluation"] = evaluation_to_json(*counters.last_evaluation);
  }
  return json;
}

Status read_losses(const Json& json, std::string_view where, Counters& counters) {
  if (!json.contains("recent_losses") || !json["recent_losses"].is_array()) {
    return Status(Code::kCorrupt, fmt::format("{}: recent_losses must be a list", where));
  }
  for (const auto& loss : json["recent_losses"]) {
    if (!loss.is_number() || counters.recent_losses.size() >= kRecentLosses) {
      return Status(Code::kCorrupt, fmt::format("{}: recent_losses must be at most {} numbers",
                                                where, kRecentLosses));
    }
    counters.recent_losses.push_back(loss.get<double>());
  }
  return Status();
}

Result<Counters> counters_from_json(const Json& json, std::string_view where) {
  Counters counters;
  PANAL_ASSIGN(counters.step, json_integer(json, "step", where, 0, kMost));
  PANAL_ASSIGN(counters.tokens, json_integer(json, "tokens", where, 0, kMost));
  PANAL_ASSIGN(counters.skipped_steps, json_integer(json, "skipped_steps", where, 0, kMost));
  PANAL_ASSIGN(counters.seconds, json_number(json, "seconds", where, 0, 1e18));
  PANAL_ASSIGN(counters.training_seconds, json_number(json, "training_seconds", where, 0, 1e18));
  PANAL_TRY(read_losses(json, where, counters));
  if (!json_has(json, "energy") || !json_has(json, "stream")) {
    return Status(Code::kCorrupt, fmt::format("{}: energy and stream are missing", where));
  }
  PANAL_ASSIGN(counters.energy, energy_from_json(json["energy"], where));
  counters.stream = json["stream"];
  if (json_has(json, "first_evaluation")) {
    PANAL_ASSIGN(counters.first_evaluation, evaluation_from_json(json["first_evaluation"], where));
  }
  if (json_has(json, "last_evaluation")) {
    PANAL_ASSIGN(counters.last_evaluation, evaluation_from_json(json["last_evaluation"], where));
  }
  return counters;
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

Status write_files(store::FileSystem& files, const std::filesystem::path& folder,
                   const Counters& counters, std::span<const tensor::NamedTensor> parameters,
                   const optim::Optimizer& optimizer) {
  PANAL_TRY(tensor::save_tensors(files, folder / kTensorFiles[0], parameters));
  PANAL_TRY(tensor::save_tensors(files, folder / kTensorFiles[1], optimizer.state()));
  Json state = to_json(counters, optimizer.num_steps());
  for (const char* name : kTensorFiles) {
    PANAL_ASSIGN(state[name], checksum_of(folder / name));
  }
  const std::string body = to_line(state);
  const Json json = {
      {"format", kFormat}, {"checksum", fmt::format("{:016x}", xxh3_64(body))}, {"body", body}};
  return store::write_file_atomically(files, folder / "state.json", to_line(json));
}

}  // namespace

Json evaluation_to_json(const EvaluationPoint& point) {
  return {{"step", point.step},
          {"tokens", point.tokens},
          {"loss", point.loss},
          {"perplexity", point.perplexity}};
}

Result<EvaluationPoint> evaluation_from_json(const Json& json, std::string_view where) {
  EvaluationPoint point;
  PANAL_ASSIGN(point.step, json_integer(json, "step", where, 0, kMost));
  PANAL_ASSIGN(point.tokens, json_integer(json, "tokens", where, 1, kMost));
  PANAL_ASSIGN(point.loss, json_number(json, "loss", where, 0, 1e300));
  PANAL_ASSIGN(point.perplexity, json_number(json, "perplexity", where, 0, 1e308));
  return point;
}

Json energy_to_json(const energy::EnergyReading& reading) {
  Json json = {{"joules", nullptr}, {"method", reading.method}, {"detail", reading.detail}};
  if (reading.joules) json["joules"] = *reading.joules;
  return json;
}

Result<energy::EnergyReading> energy_from_json(const Json& json, std::string_view where) {
  energy::EnergyReading reading;
  if (json_has(json, "joules")) {
    PANAL_ASSIGN(reading.joules, json_number(json, "joules", where, 0, 1e30));
  }
  PANAL_ASSIGN(reading.method, json_string(json, "method", where));
  PANAL_ASSIGN(reading.detail, json_string(json, "detail", where));
  return reading;
}

std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (step_of(entry.path())) found.push_back(entry.path());
  }
  std::ranges::sort(found, [](const auto& a, const auto& b) { return *step_of(a) > *step_of(b); });
  return found;
}

Result<std::filesystem::path> save_checkpoint(store::FileSystem& files,
                                              const std::filesystem::path& folder,
                                              const Counters& counters,
                                              std::span<const tensor::NamedTensor> parameters,
                                              const optim::Optimizer& optimizer) {
  PANAL_TRY(store::make_directories(files, folder));
  const std::string name = fmt::format("{}{:08}", kPrefix, counters.step);
  const auto unfinished = folder / (std::string(kUnfinished) + name);
  std::error_code
      ignored;  // What cannot be removed makes the next line fail, with a better message.
  std::filesystem::remove_all(unfinished, ignored);
  std::filesystem::remove_all(folder / name, ignored);  // Only a damaged one can be there.
  PANAL_TRY(files.make_directory(unfinished));
  Status written = write_files(files, unfinished, counters, parameters, optimizer);
  if (written.ok()) written = files.sync_directory(unfinished);
  if (written.ok()) written = files.rename(unfinished, folder / name);
  if (written.ok()) written = files.sync_directory(folder);
  if (!written.ok()) {
    std::filesystem::remove_all(unfinished, ignored);
    return written.with_context(
        fmt::format("checkpoint of step {} was not written; earlier ones are kept", counters.step));
  }
  return folder / name;
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
  PANAL_TRY(tensor::load_tensors_into(checkpoint / kTensorFiles[1], moments));
  optimizer.set_num_steps(steps);
  return counters;
}

void remove_old_checkpoints(const std::filesystem::path& folder, std::int64_t keep) {
  std::error_code ignored;
  const auto found = list_checkpoints(folder);
  for (std::size_t i = static_cast<std::size_t>(keep); i < found.size(); ++i) {
    // Renamed first, so that a crash in between cannot leave a checkpoint that lacks some of its
    // files.
    const auto doomed = folder / (std::string(kUnfinished) + found[i].filename().string());
    std::filesystem::rename(found[i], doomed, ignored);
    std::filesystem::remove_all(doomed, ignored);
  }
}

}  // namespace panal::train::detail
