#include "machine/measured_facts.h"

#include <algorithm>

namespace panal::machine {
namespace {

constexpr std::uint64_t kMostBytes = 1 << 20;
constexpr std::size_t kMostEntries = 64;  // The oldest go.

template <typename T>
void keep_known(const std::optional<T>& before, std::optional<T>& now) {
  if (!now) now = before;
}

}  // namespace

std::filesystem::path facts_path(const std::filesystem::path& home) {
  return home / "machine.json";
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
    PANAL_ASSIGN(MeasuredFacts facts, work::from_json<MeasuredFacts>(entry, path.string()));
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
  for (const MeasuredFacts& entry : all) document["measured"].push_back(work::to_json(entry));
  return store::write_file_atomically(files, path, to_pretty(document));
}

std::optional<MeasuredFacts> find_facts(const std::vector<MeasuredFacts>& all,
                                        const Machine& machine) {
  const auto found = std::ranges::find_if(
      all, [&](const MeasuredFacts& facts) { return facts.machine.is_like(machine); });
  return found == all.end() ? std::nullopt : std::optional(*found);
}

}  // namespace panal::machine
