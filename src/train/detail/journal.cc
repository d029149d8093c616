#include "train/detail/journal.h"

#include <string>
#include <string_view>

namespace panal::train::detail {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

// The lines of an earlier call worth keeping. A last line that was cut by a crash is no JSON and is
// dropped.
std::vector<Json> lines_until(const std::filesystem::path& path, std::int64_t last_step) {
  std::vector<Json> kept;
  const auto text = store::read_file(path, kMostBytes);
  if (!text.ok()) return kept;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    auto line = parse_json(rest.substr(0, end), "metrics.jsonl");
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.ok() || !line->is_object()) continue;
    const auto step = json_integer(*line, "step", "metrics.jsonl", 0, last_step);
    if (step.ok()) kept.push_back(std::move(*line));
  }
  return kept;
}

}  // namespace

Result<Journal> Journal::open(store::FileSystem& files, std::filesystem::path path,
                              std::int64_t last_step) {
  Journal journal;
  std::string text;
  if (last_step >= 0) {
    for (const Json& line : lines_until(path, last_step)) {
      journal.remember(line);
      text += to_line(line) + "\n";
    }
  }
  PANAL_TRY(store::write_file_atomically(files, path, text));
  PANAL_ASSIGN(journal.file_, files.append(path));
  return journal;
}

void Journal::remember(const Json& line) {
  const auto step = line["step"].get<std::int64_t>();
  if (json_has(line, "loss") && line["loss"].is_number()) {
    curves_.training.push_back({step, line["loss"].get<double>()});
  }
  if (json_has(line, "validation_loss") && line["validation_loss"].is_number()) {
    curves_.validation.push_back({step, line["validation_loss"].get<double>()});
  }
}

Status Journal::add(const Json& line) {
  remember(line);
  return file_->write(to_line(line) + "\n");
}

Status Journal::sync() { return file_->sync(); }

}  // namespace panal::train::detail
