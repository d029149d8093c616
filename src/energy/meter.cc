// The arithmetic of readings: differences of totals, and sums that stay as honest as their weakest
// part.
#include "energy/meter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/log.h"

namespace panal::energy {
namespace {

/// "measured:rapl-package" -> "rapl-package".
std::string_view source_of(std::string_view method) {
  const std::size_t colon = method.find(':');
  return colon == std::string_view::npos ? method : method.substr(colon + 1);
}

/// "estimated:cpu-time+nvml": the weakest trust before the colon, every different source once after
/// it.
template <typename Parts, typename MethodOf>
std::string combined_method(const Parts& parts, MethodOf method_of) {
  Trust weakest = Trust::kMeasured;
  std::vector<std::string> sources;
  for (const auto& part : parts) {
    const std::string method = method_of(part);
    weakest = std::min(weakest, trust_of(method));
    std::string source(source_of(method));
    if (std::ranges::find(sources, source) == sources.end()) sources.push_back(std::move(source));
  }
  if (weakest == Trust::kUnknown || sources.empty()) return "unknown";
  return fmt::format("{}:{}", weakest == Trust::kMeasured ? "measured" : "estimated",
                     fmt::join(sources, "+"));
}

class CombinedMeter final : public Meter {
 public:
  explicit CombinedMeter(std::vector<std::unique_ptr<Meter>> meters) : meters_(std::move(meters)) {}

  std::string method() const override {
    return combined_method(meters_, [](const auto& meter) { return meter->method(); });
  }
  std::string detail() const override {
    std::vector<std::string> details;
    for (const auto& meter : meters_) {
      details.push_back(fmt::format("{}: {}", meter->method(), meter->detail()));
    }
    return fmt::format("{}", fmt::join(details, "; "));
  }
  Result<MeterSample> sample() override {
    MeterSample total;
    for (const auto& meter : meters_) {
      PANAL_ASSIGN(const MeterSample part, meter->sample());
      total.joules += part.joules;
      total.epoch +=
          part.epoch;  // Epochs only grow, so their sum changes whenever one of them does.
    }
    return total;
  }

 private:
  const std::vector<std::unique_ptr<Meter>> meters_;
};

}  // namespace

Trust trust_of(std::string_view method) {
  if (method.starts_with("measured:")) return Trust::kMeasured;
  if (method.starts_with("estimated:")) return Trust::kEstimated;
  return Trust::kUnknown;
}

EnergyReading combine(std::span<const EnergyReading> parts) {
  if (parts.empty()) return {.joules = {}, .method = "unknown", .detail = "nothing was read"};
  double known_joules = 0;
  std::size_t num_known = 0;
  std::vector<std::string> details;
  for (const EnergyReading& part : parts) {
    if (std::ranges::find(details, part.detail) == details.end()) details.push_back(part.detail);
    if (!part.joules || trust_of(part.method) == Trust::kUnknown) continue;
    known_joules += *part.joules;
    ++num_known;
  }
  std::erase(details, "");
  if (num_known < parts.size()) {
    std::string known = num_known == 0 ? "" : fmt::format(" ({:.3g} J)", known_joules);
    return {.joules = {},
            .method = "unknown",
            .detail = fmt::format("{} of {} parts known{}: {}", num_known, parts.size(), known,
                                  fmt::join(details, "; "))};
  }
  return {.joules = known_joules,
          .method = combined_method(parts, [](const EnergyReading& part) { return part.method; }),
          .detail = fmt::format("{}", fmt::join(details, "; "))};
}

std::optional<double> joules_between(const Result<MeterSample>& begin,
                                     const Result<MeterSample>& end) {
  if (!begin.ok() || !end.ok() || begin->epoch != end->epoch) return std::nullopt;
  return std::max(0.0, end->joules - begin->joules);
}

EnergyWindow::EnergyWindow(Meter& meter) : meter_(meter), begin_(meter.sample()) {}

EnergyReading EnergyWindow::read() const {
  const Result<MeterSample> end = meter_.sample();
  if (const auto joules = joules_between(begin_, end)) {
    return {.joules = joules, .method = meter_.method(), .detail = meter_.detail()};
  }
  std::string why = "the counter lost its place between the two readings";
  if (!begin_.ok()) {
    why = begin_.status().message();
  } else if (!end.ok()) {
    why = end.status().message();
  }
  return {.joules = {}, .method = "unknown", .detail = std::move(why)};
}

Result<MeterSample> SyntheticMeter::sample() {
  const MutexLock lock(mutex_);
  if (!is_readable_) return Status(Code::kUnavailable, "the synthetic meter is switched off");
  total_.joules += joules_per_sample_;
  return total_;
}

void SyntheticMeter::add_joules(double joules) {
  const MutexLock lock(mutex_);
  total_.joules += joules;
}

void SyntheticMeter::set_joules_per_sample(double joules) {
  const MutexLock lock(mutex_);
  joules_per_sample_ = joules;
}

void SyntheticMeter::set_readable(bool is_readable) {
  const MutexLock lock(mutex_);
  if (is_readable && !is_readable_) ++total_.epoch;
  is_readable_ = is_readable;
}

std::unique_ptr<Meter> combine_meters(std::vector<std::unique_ptr<Meter>> meters) {
  if (meters.empty()) return std::make_unique<UnknownMeter>("this machine has no energy meter");
  if (meters.size() == 1) return std::move(meters.front());
  return std::make_unique<CombinedMeter>(std::move(meters));
}

std::unique_ptr<Meter> open_best_meter(Clock& clock, const MeterOptions& options) {
  const char* wanted = std::getenv("PANAL_ENERGY");
  if (wanted != nullptr && std::string_view(wanted) == "off") {
    return std::make_unique<UnknownMeter>("switched off by PANAL_ENERGY=off");
  }
  std::vector<std::unique_ptr<Meter>> meters;
  if (auto rapl = open_rapl_meter(options.sysfs_root, clock); rapl.ok()) {
    meters.push_back(std::move(rapl).value());
  } else {
    log_info(
        fmt::format("energy: no processor counter, CPU time is used: {}", rapl.status().message()));
    CpuTimeOptions cpu_time = options.cpu_time;
    if (std::getenv("PANAL_CPU_WATTS_PER_THREAD") != nullptr) {
      cpu_time.watts_per_thread = cpu_watts_per_thread_from_environment();
    }
    meters.push_back(open_cpu_time_meter(cpu_time));
  }
  if (auto nvml = open_nvml_meter(options.nvml_library); nvml.ok()) {
    meters.push_back(std::move(nvml).value());
  } else {
    log_info("energy: no GPU counter: " + nvml.status().message());
  }
  return combine_meters(std::move(meters));
}

}  // namespace panal::energy
