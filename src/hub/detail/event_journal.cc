#include "hub/detail/event_journal.h"

#include <fmt/format.h>

#include <chrono>

#include "hub/detail/engine_events.h"

namespace panal::hub::detail {
namespace {

constexpr std::size_t kMaxLineBytes = 16u << 20;

bool is_progress(const Json& line) {
  return json_has(line, "event") && line.at("event") == "progress";
}

}  // namespace

std::filesystem::path journal_path(const std::filesystem::path& folder, const std::string& job_id) {
  return folder / fmt::format("events-{}.jsonl", job_id);
}

void EventJournal::write(const Json& line) {
  if (is_progress(line)) {
    const Nanoseconds now = clock_.steady_now();
    if (last_progress_ && now - *last_progress_ < std::chrono::seconds(1)) return;
    last_progress_ = now;
  }
  if (!file_.is_open()) file_.open(path_, std::ios::app | std::ios::binary);
  file_ << to_line(Json{{"activity", activity_}, {"line", line}}) << '\n' << std::flush;
}

void JournalReader::read_new(const Watch& watch) {
  std::ifstream file(path_, std::ios::binary);
  if (!file.seekg(position_)) return;
  std::string text;
  while (std::getline(file, text) && !file.eof() && text.size() <= kMaxLineBytes) {
    position_ = file.tellg();
    const auto entry = parse_json(text, path_.string());
    if (!entry.ok() || !json_has(*entry, "line") || !json_has(*entry, "activity")) continue;
    const Json& activity = entry->at("activity");
    if (auto event = event_of_line(entry->at("line")); event && activity.is_string())
      watch.tell(activity.get<std::string>(), *std::move(event));
  }
}

}  // namespace panal::hub::detail
