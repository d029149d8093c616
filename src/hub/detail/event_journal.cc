#include "hub/detail/event_journal.h"

#include <fmt/format.h>

#include <chrono>

namespace panal::hub::detail {
namespace {

constexpr std::size_t kMaxLineBytes = 16u << 20;

bool is_progress(const work::JobEvent& event) {
  return std::holds_alternative<work::TrainingProgress>(event.event) ||
         std::holds_alternative<work::JobAdvance>(event.event);
}

}  // namespace

std::filesystem::path journal_path(const std::filesystem::path& folder, const std::string& job_id) {
  return folder / fmt::format("events-{}.jsonl", job_id);
}

void EventJournal::write(const work::JobEvent& event) {
  if (is_progress(event)) {
    const Nanoseconds now = clock_.steady_now();
    if (last_progress_ && now - *last_progress_ < std::chrono::seconds(1)) return;
    last_progress_ = now;
  }
  if (!file_.is_open()) file_.open(path_, std::ios::app | std::ios::binary);
  file_ << to_line(work::encode(work::ToldEvent{activity_, event})) << '\n' << std::flush;
}

void JournalReader::read_new(const Watch& watch) {
  std::ifstream file(path_, std::ios::binary);
  if (!file.seekg(position_)) return;
  std::string text;
  while (std::getline(file, text) && !file.eof() && text.size() <= kMaxLineBytes) {
    position_ = file.tellg();
    auto told = work::parse<work::ToldEvent>(text, path_.string());
    if (told.ok()) watch.tell(std::move(told->activity), std::move(told->event.event));
  }
}

}  // namespace panal::hub::detail
