#include "net/detail/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <utility>

namespace panal::net::detail {
namespace {

// RFC 9110 wants a Date on every answer; one text per second and thread is enough.
std::string_view date_text(const Clock& clock) {
  thread_local std::time_t made_at = 0;
  thread_local char text[40] = "";
  const std::time_t now = clock.unix_ms() / 1000;
  if (now != made_at) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto end =
        fmt::format_to_n(text, sizeof(text) - 1, "{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                         kDays[parts.tm_wday], parts.tm_mday, kMonths[parts.tm_mon],
                         parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
    *end.out = '\0';
    made_at = now;
  }
  return text;
}

bool is_token(std::string_view name) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_framing(std::string_view name) {
  const HttpHeaders one = {{std::string(name), ""}};
  return find_header(one, "content-length") || find_header(one, "transfer-encoding") ||
         find_header(one, "connection") || find_header(one, "date");
}

}  // namespace

std::string response_head(int status, const HttpHeaders& headers, bool keep_alive,
                          std::string_view framing, const Clock& clock) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n{}", status, status_reason(status),
                                 date_text(clock), framing);
  if (!keep_alive) head += "Connection: close\r\n";
  for (const auto& [name, value] : headers) {
    if (!is_token(name) || is_framing(name)) continue;
    head.append(name).append(": ");
    for (const char c : value) head += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
    head += "\r\n";
  }
  return head += "\r\n";
}

Exchange::Exchange(HttpRequest request, Manner manner, std::function<void()> wake)
    : request_(std::move(request)),
      manner_(manner),
      wake_(std::move(wake)),
      keep_alive_(manner.keep_alive) {}

bool Exchange::append(std::string_view bytes) {
  if (is_gone()) return false;
  waiting_ += bytes;
  if (!std::exchange(is_awake_, true)) {
    const MutexUnlock unlocked(mutex_);
    wake_();
  }
  return true;
}

bool Exchange::send(int status, const HttpHeaders& headers, std::string_view body) {
  const MutexLock lock(mutex_);
  if (phase_ != Phase::kNothing) return false;
  phase_ = Phase::kEnded;
  const bool allows_body = status != 204 && status != 304;
  const std::string framing =
      allows_body ? fmt::format("Content-Length: {}\r\n", body.size()) : std::string();
  std::string answer = response_head(status, headers, keep_alive_, framing, manner_.clock);
  if (allows_body && !manner_.is_head) answer += body;
  return append(answer);
}

bool Exchange::begin(int status, const HttpHeaders& headers) {
  const MutexLock lock(mutex_);
  if (phase_ != Phase::kNothing) return false;
  phase_ = Phase::kStreaming;
  has_body_ = !manner_.is_head && status != 204 && status != 304;
  if (!manner_.knows_chunks) keep_alive_ = false;
  const bool is_chunked = manner_.knows_chunks && status != 204 && status != 304;
  return append(response_head(status, headers, keep_alive_,
                              is_chunked ? "Transfer-Encoding: chunked\r\n" : "", manner_.clock));
}

bool Exchange::write(std::string_view chunk) {
  const MutexLock lock(mutex_);
  if (phase_ != Phase::kStreaming || is_gone()) return false;
  // An empty chunk would mean the end of the body.
  if (chunk.empty() || !has_body_) return true;
  if (waiting_.size() + taken_bytes_ >= manner_.max_outgoing_bytes) {
    is_overrun_ = true;
    const MutexUnlock unlocked(mutex_);
    gone_.request_stop();
    wake_();
    return false;
  }
  if (!manner_.knows_chunks) return append(chunk);
  return append(fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk));
}

bool Exchange::end() {
  const MutexLock lock(mutex_);
  if (phase_ != Phase::kStreaming) return phase_ == Phase::kEnded && !is_gone();
  phase_ = Phase::kEnded;
  return append(has_body_ && manner_.knows_chunks ? "0\r\n\r\n" : "");
}

void Exchange::fill_silence(Silence silence) {
  {
    const MutexLock lock(mutex_);
    if (phase_ != Phase::kStreaming || is_gone()) return;
    silence_ = std::move(silence);
  }
  wake_();
}

Exchange::Silence Exchange::silence() const {
  const MutexLock lock(mutex_);
  return silence_;
}

bool Exchange::has_begun() const {
  const MutexLock lock(mutex_);
  return phase_ != Phase::kNothing;
}

bool Exchange::has_room() const {
  const MutexLock lock(mutex_);
  return !is_full();
}

void Exchange::when_room(std::function<void()> then) {
  {
    const MutexLock lock(mutex_);
    if (is_full() && !is_gone()) {
      wait_for_room_.push_back(std::move(then));
      return;
    }
  }
  then();
}

bool Exchange::wait_for_room() {
  const MutexLock lock(mutex_);
  // The connection marks the exchange gone after its write deadline, so this wait always ends.
  while (!is_gone() && is_full()) room_.wait(mutex_);
  return !is_gone();
}

void Exchange::drop() {
  {
    const MutexLock lock(mutex_);
    if (phase_ == Phase::kEnded || is_dropped_ || is_gone()) return;
    is_dropped_ = true;
  }
  wake_();
}

std::string Exchange::take() {
  std::string taken;
  {
    const MutexLock lock(mutex_);
    is_awake_ = false;
    taken_bytes_ = waiting_.size();
    taken = std::exchange(waiting_, {});
  }
  tell_room();
  return taken;
}

void Exchange::mark_gone() {
  // First, and as the only mark: whoever sees write() fail must find client_gone() requested.
  gone_.request_stop();
  {
    const MutexLock lock(mutex_);
    waiting_.clear();
  }
  tell_room();
}

void Exchange::tell_room() {
  std::vector<std::function<void()>> called;
  {
    const MutexLock lock(mutex_);
    if (is_full() && !is_gone()) return;
    called.swap(wait_for_room_);
    room_.notify_all();
  }
  for (const auto& then : called) then();
}

Exchange::State Exchange::state() const {
  const MutexLock lock(mutex_);
  if (is_overrun_) return State::kOverrun;
  if (!waiting_.empty()) return State::kOpen;
  if (phase_ == Phase::kEnded) return State::kEnded;
  if (!is_dropped_) return State::kOpen;
  return phase_ == Phase::kNothing ? State::kUnanswered : State::kBroken;
}

bool Exchange::keep_alive() const {
  const MutexLock lock(mutex_);
  return keep_alive_ && !is_gone();
}

}  // namespace panal::net::detail
