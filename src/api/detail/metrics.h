// Counters and histograms in Prometheus' text format. Names follow vLLM where it has one, so that
// dashboards made for it show something; what is ours alone starts with panal_.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/mutex.h"

namespace panal::api::detail {

/// One finished question, for the counters.
struct AnswerMeasured {
  std::string model;  // One that exists: names from requests must not become labels.
  std::string finish_reason;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::optional<double> first_text_s;
  double whole_s = 0;
};

/// Thread-safe.
class Metrics {
 public:
  /// `route` is a route's pattern ("/v1/models/{id}"), never a path as sent.
  void count_request(std::string_view route, int status, double duration_s);
  void count_answer(const AnswerMeasured& answer);
  void count_client_gone();
  void answer_started();
  void answer_ended();
  std::string text() const;

 private:
  // Upper bounds in seconds; the last bucket has none.
  static constexpr std::array<double, 14> kBounds = {0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5,
                                                     1,     2.5,   5,    10,   30,  60,   300};
  struct Histogram {
    std::array<std::uint64_t, kBounds.size() + 1> counts{};
    double sum = 0;
    void add(double value);
    void write(std::string& out, std::string_view name, std::string_view labels) const;
  };
  struct PerModel {
    std::map<std::string, std::uint64_t> finished;  // By finish reason.
    std::uint64_t prompt_tokens = 0;
    std::uint64_t completion_tokens = 0;
    Histogram first_text;
    Histogram whole;
  };
  /// Calls write(name, labels, values) for each model.
  template <typename Write>
  void describe_per_model(std::string& out, std::string_view name, std::string_view type,
                          std::string_view help, Write write) const PANAL_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::map<std::pair<std::string, int>, std::uint64_t> requests_ PANAL_GUARDED_BY(mutex_);
  std::map<std::string, Histogram> durations_ PANAL_GUARDED_BY(mutex_);
  std::map<std::string, PerModel> models_ PANAL_GUARDED_BY(mutex_);
  std::int64_t num_running_ PANAL_GUARDED_BY(mutex_) = 0;
  std::uint64_t num_clients_gone_ PANAL_GUARDED_BY(mutex_) = 0;
};

}  // namespace panal::api::detail
