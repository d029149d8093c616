#include "api/detail/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace panal::api::detail {
namespace {

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\\' || c == '"') safe += '\\';
    safe += c == '\n' ? ' ' : c;
  }
  return safe;
}

void describe(std::string& out, std::string_view name, std::string_view type,
              std::string_view help) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

}  // namespace

void Metrics::Histogram::add(double value) {
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), value) - kBounds.begin();
  ++counts[static_cast<std::size_t>(bucket)];
  sum += value;
}

void Metrics::Histogram::write(std::string& out, std::string_view name,
                               std::string_view labels) const {
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
    out += fmt::format("{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, bound, so_far);
  }
  out +=
      fmt::format("{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", name, labels, sum, name, labels, so_far);
}

void Metrics::count_request(std::string_view route, int status, double duration_s) {
  const MutexLock lock(mutex_);
  ++requests_[{std::string(route), status}];
  durations_[std::string(route)].add(duration_s);
}

void Metrics::count_answer(const AnswerMeasured& answer) {
  const MutexLock lock(mutex_);
  PerModel& model = models_[answer.model];
  ++model.finished[answer.finish_reason];
  model.prompt_tokens +=
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, answer.prompt_tokens));
  model.completion_tokens +=
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, answer.completion_tokens));
  if (answer.first_text_s) model.first_text.add(*answer.first_text_s);
  model.whole.add(answer.whole_s);
}

void Metrics::count_client_gone() {
  const MutexLock lock(mutex_);
  ++num_clients_gone_;
}

void Metrics::answer_started() {
  const MutexLock lock(mutex_);
  ++num_running_;
}

void Metrics::answer_ended() {
  const MutexLock lock(mutex_);
  --num_running_;
}

template <typename Write>
void Metrics::describe_per_model(std::string& out, std::string_view name, std::string_view type,
                                 std::string_view help, Write write) const {
  describe(out, name, type, help);
  for (const auto& [model, values] : models_) {
    write(name, fmt::format("model_name=\"{}\"", escaped(model)), values);
  }
}

std::string Metrics::text() const {
  const MutexLock lock(mutex_);
  std::string out;
  describe(out, "panal_http_requests_total", "counter", "Requests answered, by route and status.");
  for (const auto& [key, count] : requests_) {
    out += fmt::format("panal_http_requests_total{{route=\"{}\",status=\"{}\"}} {}\n",
                       escaped(key.first), key.second, count);
  }
  describe(out, "panal_http_request_duration_seconds", "histogram",
           "Time to the end of an answer.");
  for (const auto& [route, histogram] : durations_) {
    histogram.write(out, "panal_http_request_duration_seconds",
                    fmt::format("route=\"{}\"", escaped(route)));
  }
  describe(out, "panal_clients_gone_total", "counter", "Questions whose client left early.");
  out += fmt::format("panal_clients_gone_total {}\n", num_clients_gone_);
  describe(out, "vllm:num_requests_running", "gauge", "Questions being answered now.");
  out += fmt::format("vllm:num_requests_running {}\n", num_running_);

  describe_per_model(out, "vllm:request_success_total", "counter",
                     "Questions answered, by reason of the end.",
                     [&](std::string_view name, const std::string& labels, const PerModel& values) {
                       for (const auto& [reason, count] : values.finished) {
                         out += fmt::format("{}{{{},finished_reason=\"{}\"}} {}\n", name, labels,
                                            escaped(reason), count);
                       }
                     });
  describe_per_model(out, "vllm:prompt_tokens_total", "counter", "Tokens read.",
                     [&](std::string_view name, const std::string& labels, const PerModel& values) {
                       out += fmt::format("{}{{{}}} {}\n", name, labels, values.prompt_tokens);
                     });
  describe_per_model(out, "vllm:generation_tokens_total", "counter", "Tokens written.",
                     [&](std::string_view name, const std::string& labels, const PerModel& values) {
                       out += fmt::format("{}{{{}}} {}\n", name, labels, values.completion_tokens);
                     });
  describe_per_model(out, "vllm:time_to_first_token_seconds", "histogram",
                     "Time to the first text.",
                     [&](std::string_view name, const std::string& labels, const PerModel& values) {
                       values.first_text.write(out, name, labels);
                     });
  describe_per_model(out, "vllm:e2e_request_latency_seconds", "histogram", "Time to the last text.",
                     [&](std::string_view name, const std::string& labels, const PerModel& values) {
                       values.whole.write(out, name, labels);
                     });
  return out;
}

}  // namespace panal::api::detail
