#include "machine/measured_facts.h"

#include <algorithm>

namespace panal::machine {
namespace {

constexpr std::uint64_t kMostBytes = 1 << 20;
constexpr double kMostProcessBytes = 1e15;
constexpr std::size_t kMostEntries = 64;  // The oldest go.

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Status read_bytes(const Json& json, const char* key, const std::string& where,
                  std::optional<double>& bytes) {
  if (!json_has(json, key)) return Status();
  PANAL_ASSIGN(bytes, json_number(json, key, where, 0, kMostProcessBytes));
  return Status();
}

template <typename T>
void keep_known(const std::optional<T>& before, std::optional<T>& now) {
  if (!now) now = before;
}

}  // namespace

std::filesystem::path facts_path(const std::filesystem::path& home) {
  return home / "machine.json";
}

Json facts_to_json(const MeasuredFacts& facts) {
  return {{"machine", machine_to_json(facts.machine)},
          {"pretrain_process_bytes", or_null(facts.pretrain_process_bytes)},
          {"lora_process_bytes", or_null(facts.lora_process_bytes)}};
}

Result<MeasuredFacts> facts_from_json(const Json& json, const std::string& where) {
  MeasuredFacts facts;
  if (!json.is_object() || !json_has(json, "machine")) {
    return Status(Code::kCorrupt, where + ": an entry must have a machine");
  }
  PANAL_ASSIGN(facts.machine, machine_from_json(json.at("machine"), where));
  PANAL_TRY(read_bytes(json, "pretrain_process_bytes", where, facts.pretrain_process_bytes));
  PANAL_TRY(read_bytes(json, "lora_process_bytes", where, facts.lora_process_bytes));
  return facts;
}

Result<std::vector<MeasuredFacts>> read_facts(const std::filesystem::path& path) {
  std::vector<MeasuredFacts> all;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return all;
  PANAL_ASSIGN(const std::string text, store::read_file(path, kMostBytes));
  PANAL_ASSIGN(const Json json, parse_json(text, path.string()));
  if (!json_has(json, "measured") || !json.at("measured").is_array()) {
    return Status(Code::kCorrupt, path.string() + ": must have a list \"measured\"");
  }
  for (const Json& entry : json.at("measured")) {
    PANAL_ASSIGN(MeasuredFacts facts, facts_from_json(entry, path.string()));
    all.push_back(std::move(facts));
  }
  return all;
}

Status keep_facts(store::FileSystem& files, const std::filesystem::path& path,
                  const MeasuredFacts& facts) {
  MeasuredFacts kept = facts;
  std::vector<MeasuredFacts> all;
  if (auto read = read_facts(path); read.ok()) all = *std::move(read);
  if (const auto before = find_facts(all, facts.machine)) {
    keep_known(before->machine.peak_flops, kept.machine.peak_flops);
    keep_known(before->machine.memory_bytes_per_s, kept.machine.memory_bytes_per_s);
    keep_known(before->pretrain_process_bytes, kept.pretrain_process_bytes);
    keep_known(before->lora_process_bytes, kept.lora_process_bytes);
  }
  std::erase_if(all, [&](const auto& other) { return other.machine.is_like(facts.machine); });
  if (all.size() >= kMostEntries) all.erase(all.begin());
  all.push_back(std::move(kept));
  Json document = {{"measured", Json::array()}};
  for (const MeasuredFacts& entry : all) document["measured"].push_back(facts_to_json(entry));
  return store::write_file_atomically(files, path, to_pretty(document));
}

std::optional<MeasuredFacts> find_facts(const std::vector<MeasuredFacts>& all,
                                        const Machine& machine) {
  const auto found = std::ranges::find_if(
      all, [&](const MeasuredFacts& facts) { return facts.machine.is_like(machine); });
  return found == all.end() ? std::nullopt : std::optional(*found);
}

}  // namespace panal::machine
