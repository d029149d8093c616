#include "train/detail/journal.h"

#include <limits>
#include <string>
#include <string_view>

namespace panal::train::detail {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

// The lines of an earlier call worth keeping. A last line that was cut by a crash has no
// end and is dropped.
std::vector<Json> lines_until(const std::filesystem::path& path, std::int64_t last_step) {
  std::vector<Json> kept;
  const auto text = store::read_file(path, kMostBytes);
  if (!text.ok()) return kept;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;
    auto line = parse_json(rest.substr(0, end), "metrics.jsonl");
    rest.remove_prefix(end + 1);
    if (!line.ok() || !line->is_object()) continue;
    const auto step = json_integer(*line, "step", "metrics.jsonl", 0, last_step);
    if (step.ok()) kept.push_back(std::move(*line));
  }
  return kept;
}

}  // namespace

Status Journal::rewrite(const std::string& text) {
  file_.reset();
  PANAL_TRY(store::write_file_atomically(*files_, path_, text));
  PANAL_ASSIGN(file_, files_->append(path_));
  return Status();
}

Result<Journal> Journal::open(store::FileSystem& files, std::filesystem::path path,
                              std::int64_t last_step, std::int64_t last_evaluated_step) {
  Journal journal;
  journal.files_ = &files;
  journal.path_ = std::move(path);
  std::string text;
  if (last_step >= 0) {
    for (const Json& line : lines_until(journal.path_, last_step)) {
      if (line.contains("validation_loss") &&
          line["step"].get<std::int64_t>() > last_evaluated_step) {
        continue;
      }
      journal.remember(line);
      text += to_line(line) + "\n";
    }
  }
  PANAL_TRY(journal.rewrite(text));
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

void Journal::add(const Json& line) {
  remember(line);
  unwritten_ += to_line(line) + "\n";
}

Status Journal::flush() {
  if (may_be_cut_) {
    std::string text;
    for (const Json& line : lines_until(path_, std::numeric_limits<std::int64_t>::max())) {
      text += to_line(line) + "\n";
    }
    PANAL_TRY(rewrite(text));
    may_be_cut_ = false;
  }
  if (unwritten_.empty()) return Status();
  const Status written = file_->write(unwritten_);
  may_be_cut_ = !written.ok();
  if (written.ok()) unwritten_.clear();
  return written;
}

Status Journal::rewind(std::int64_t last_step) {
  PANAL_TRY(flush());
  std::string text;
  LossCurves all;
  std::swap(all, curves_);
  for (const Json& line : lines_until(path_, std::numeric_limits<std::int64_t>::max())) {
    if (line["step"].get<std::int64_t>() > last_step && !line.contains("event")) continue;
    remember(line);
    text += to_line(line) + "\n";
  }
  const Status written = rewrite(text);
  if (!written.ok()) std::swap(all, curves_);
  return written;
}

Status Journal::sync() {
  PANAL_TRY(flush());
  const Status synced = file_->sync();
  may_be_cut_ = !synced.ok();
  return synced;
}

}  // namespace panal::train::detail
