#include "machine/machine.h"

#include <fmt/format.h>

namespace panal::machine {

Result<Machine> machine_from_json(const Json& json, const std::string& where) {
  PANAL_ASSIGN(Machine machine, work::from_json<Machine>(json, where));
  for (auto* rate : {&machine.peak_flops, &machine.memory_bytes_per_s}) {
    if (*rate == 0) rate->reset();
  }
  return machine;
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
