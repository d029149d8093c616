#include "engine/commands/sampling_defaults.h"

#include "base/json.h"
#include "serve/sampler.h"
#include "store/file_system.h"
#include "weights/gguf.h"

namespace panal::engine {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 16u << 20;
constexpr double kAnyNumber = 1e9;

Result<std::optional<double>> number_of(const Json& config, const char* key,
                                        const std::string& where) {
  if (!json_has(config, key)) return std::optional<double>();
  PANAL_ASSIGN(const double number, json_number(config, key, where, -kAnyNumber, kAnyNumber));
  return std::optional(number);
}

Result<work::Sampling> read_config(const std::filesystem::path& path) {
  work::Sampling sampling;
  const auto text = store::read_file(path, kMaxConfigBytes);
  if (text.code() == Code::kNotFound) return sampling;
  PANAL_TRY(text.status());
  const std::string where = path.string();
  PANAL_ASSIGN(const Json config, parse_json(*text, where));
  PANAL_ASSIGN(sampling.temperature, number_of(config, "temperature", where));
  PANAL_ASSIGN(sampling.top_p, number_of(config, "top_p", where));
  PANAL_ASSIGN(sampling.min_p, number_of(config, "min_p", where));
  PANAL_ASSIGN(const auto top_k, number_of(config, "top_k", where));
  if (top_k) sampling.top_k = static_cast<std::int64_t>(*top_k);
  if (!json_has(config, "do_sample")) return sampling;
  PANAL_ASSIGN(const bool samples, json_boolean(config, "do_sample", where));
  if (!samples) return work::Sampling{.temperature = 0};
  if (!sampling.temperature) sampling.temperature = 1;
  return sampling;
}

Result<work::Sampling> read_gguf(const std::filesystem::path& path) {
  PANAL_ASSIGN(const weights::GgufFile file, weights::GgufFile::open(path));
  work::Sampling sampling;
  const auto read = [&](const char* key, std::optional<double>& value) -> Status {
    if (!file.has(key)) return Status();
    PANAL_ASSIGN(value, file.number(key));
    return Status();
  };
  std::optional<double> top_k;
  PANAL_TRY(read("general.sampling.temp", sampling.temperature));
  PANAL_TRY(read("general.sampling.top_p", sampling.top_p));
  PANAL_TRY(read("general.sampling.min_p", sampling.min_p));
  PANAL_TRY(read("general.sampling.top_k", top_k));
  if (top_k) sampling.top_k = static_cast<std::int64_t>(*top_k);
  return sampling;
}

// A folder may hold a GGUF file in the place of Hugging Face's files.
std::filesystem::path gguf_in(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".gguf") return entry.path();
  }
  return {};
}

}  // namespace

Result<work::Sampling> read_sampling_defaults(const std::filesystem::path& model) {
  std::error_code error;
  std::filesystem::path gguf = model;
  if (std::filesystem::is_directory(model, error)) {
    gguf = std::filesystem::exists(model / "config.json", error) ? "" : gguf_in(model);
  }
  const auto path = gguf.empty() ? model / "generation_config.json" : gguf;
  PANAL_ASSIGN(const work::Sampling sampling, gguf.empty() ? read_config(path) : read_gguf(path));
  PANAL_TRY(serve::check_sampling(sampling).with_context(path.string()));
  return sampling;
}

}  // namespace panal::engine
