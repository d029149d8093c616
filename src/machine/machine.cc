#include "machine/machine.h"

#include <fmt/format.h>

namespace panal::machine {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 60;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Status read_text(const Json& json, const char* key, const std::string& where, std::string& text) {
  if (!json_has(json, key)) return Status();
  PANAL_ASSIGN(text, json_string(json, key, where));
  return Status();
}

Status read_count(const Json& json, const char* key, const std::string& where,
                  std::optional<std::int64_t>& value) {
  if (!json_has(json, key)) return Status();
  PANAL_ASSIGN(value, json_integer(json, key, where, 1, kMost));
  return Status();
}

// A rate of 0 was not measured.
Status read_rate(const Json& json, const char* key, const std::string& where,
                 std::optional<double>& value) {
  if (!json_has(json, key)) return Status();
  PANAL_ASSIGN(const double found, json_number(json, key, where, 0, 1e24));
  if (found > 0) value = found;
  return Status();
}

}  // namespace

Result<Machine> machine_from_json(const Json& json, const std::string& where) {
  Machine machine;
  PANAL_TRY(read_text(json, "device", where, machine.device));
  PANAL_TRY(read_text(json, "cpu", where, machine.cpu));
  PANAL_TRY(read_count(json, "cores", where, machine.cores));
  PANAL_TRY(read_count(json, "threads", where, machine.threads));
  PANAL_TRY(read_count(json, "memory_bytes", where, machine.memory_bytes));
  PANAL_TRY(read_text(json, "precision", where, machine.precision));
  PANAL_TRY(read_text(json, "code_version", where, machine.code_version));
  PANAL_TRY(read_rate(json, "peak_flops", where, machine.peak_flops));
  PANAL_TRY(read_rate(json, "memory_bytes_per_s", where, machine.memory_bytes_per_s));
  return machine;
}

Json machine_to_json(const Machine& machine) {
  return {{"device", machine.device},
          {"cpu", machine.cpu},
          {"cores", or_null(machine.cores)},
          {"threads", or_null(machine.threads)},
          {"memory_bytes", or_null(machine.memory_bytes)},
          {"precision", machine.precision},
          {"code_version", machine.code_version},
          {"peak_flops", or_null(machine.peak_flops)},
          {"memory_bytes_per_s", or_null(machine.memory_bytes_per_s)}};
}

bool Machine::is_like(const Machine& other) const {
  return device == other.device && cpu == other.cpu && cores == other.cores &&
         threads == other.threads && memory_bytes == other.memory_bytes &&
         precision == other.precision;
}

std::string machine_label(const Machine& machine) {
  std::string label = machine.device == "cpu" ? machine.cpu : machine.device;
  if (label.empty()) label = "machine unknown";
  if (machine.cores) label += fmt::format(", {} cores", *machine.cores);
  if (machine.threads) label += fmt::format(", {} threads", *machine.threads);
  if (!machine.precision.empty()) label += ", " + machine.precision;
  return label;
}

}  // namespace panal::machine
