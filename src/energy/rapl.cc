// RAPL through Linux's powercap files. The traps are known: domains that contain each other, the
// same package shown by two drivers, counters that wrap every few minutes, and files only root may
// read.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>

#include "base/mutex.h"
#include "energy/meter.h"

namespace panal::energy {
namespace {

namespace fs = std::filesystem;

// No package draws more than this for long: a wrap cannot come sooner than range /
// kMaxPackageWatts.
constexpr double kMaxPackageWatts = 1000;

struct Domain {
  fs::path folder;
  std::string name;  // "package-0".
  std::uint64_t range_uj = 0;
  std::uint64_t last_uj = 0;
};

Result<std::string> read_line(const fs::path& path) {
  errno = 0;
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) {
    return Status(Code::kUnavailable,
                  fmt::format("{} cannot be read: {}", path.string(),
                              errno == 0 ? "it is empty" : std::strerror(errno)));
  }
  return line;
}

Result<std::uint64_t> read_counter(const fs::path& path) {
  PANAL_ASSIGN(const std::string line, read_line(path));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end != line.data() + line.size()) {
    return Status(Code::kCorrupt, fmt::format("{} must hold microjoules, found \"{}\"",
                                              path.string(), line.substr(0, 60)));
  }
  return value;
}

/// The package domains below `root`, each package once: intel-rapl sorts before intel-rapl-mmio and
/// wins.
Result<std::vector<Domain>> find_packages(const fs::path& root) {
  std::error_code error;
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root, error)) folders.push_back(entry.path());
  if (error || folders.empty()) {
    return Status(Code::kUnavailable, "no powercap counters under " + root.string());
  }
  // "intel-rapl-mmio:0" < "intel-rapl:0" as text, so the driver's name is compared, not the whole.
  const auto driver = [](const fs::path& folder) {
    const std::string name = folder.filename().string();
    return name.substr(0, name.find(':'));
  };
  std::ranges::sort(folders, [&](const fs::path& a, const fs::path& b) {
    return std::pair(driver(a), a) < std::pair(driver(b), b);
  });
  std::map<std::string, Domain> by_name;
  for (const fs::path& folder : folders) {
    const auto name = read_line(folder / "name");
    if (!name.ok() || !name->starts_with("package-") || by_name.contains(*name)) continue;
    Domain domain{.folder = folder, .name = *name};
    PANAL_ASSIGN(domain.last_uj, read_counter(folder / "energy_uj"));
    PANAL_ASSIGN(domain.range_uj, read_counter(folder / "max_energy_range_uj"));
    if (domain.last_uj > domain.range_uj) {
      return Status(Code::kCorrupt, fmt::format("{}: energy_uj {} is over max_energy_range_uj {}",
                                                folder.string(), domain.last_uj, domain.range_uj));
    }
    by_name.emplace(*name, std::move(domain));
  }
  std::vector<Domain> domains;
  for (auto& [name, domain] : by_name) domains.push_back(std::move(domain));
  if (domains.empty()) {
    return Status(Code::kUnavailable,
                  "no package domain among the counters under " + root.string());
  }
  return domains;
}

class RaplMeter final : public Meter {
 public:
  RaplMeter(std::vector<Domain> domains, Clock& clock)
      : clock_(clock), domains_(std::move(domains)), last_read_(clock.steady_now()) {
    std::vector<std::string> names;
    std::uint64_t shortest_uj = ~std::uint64_t{0};
    for (const Domain& domain : domains_) {
      names.push_back(domain.name);
      shortest_uj = std::min(shortest_uj, domain.range_uj);
    }
    const double microwatts = kMaxPackageWatts * 1e6;
    longest_gap_s_ = static_cast<double>(shortest_uj) / microwatts;
    detail_ = fmt::format("processor package counters {}, whole machine", fmt::join(names, ", "));
  }

  std::string method() const override { return "measured:rapl-package"; }
  std::string detail() const override { return detail_; }

  Result<MeterSample> sample() override {
    const MutexLock lock(mutex_);
    std::vector<std::uint64_t> now_uj;
    for (const Domain& domain : domains_) {
      auto value = read_counter(domain.folder / "energy_uj");
      if (value.ok() && *value > domain.range_uj) {
        value = Status(Code::kCorrupt, domain.folder.string() + ": energy_uj is over its range");
      }
      if (!value.ok()) return value.status();
      now_uj.push_back(*value);
    }
    const Nanoseconds now = clock_.steady_now();
    if (seconds(now - last_read_) > longest_gap_s_) ++total_.epoch;
    last_read_ = now;
    for (std::size_t i = 0; i < domains_.size(); ++i) {
      Domain& domain = domains_[i];
      const std::uint64_t used_uj = now_uj[i] >= domain.last_uj
                                        ? now_uj[i] - domain.last_uj
                                        : domain.range_uj - domain.last_uj + now_uj[i];
      total_.joules += static_cast<double>(used_uj) * 1e-6;
      domain.last_uj = now_uj[i];
    }
    return total_;
  }

 private:
  Clock& clock_;
  std::string detail_;
  double longest_gap_s_ = 0;
  Mutex mutex_;
  std::vector<Domain> domains_ PANAL_GUARDED_BY(mutex_);
  Nanoseconds last_read_ PANAL_GUARDED_BY(mutex_);
  MeterSample total_ PANAL_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<Meter>> open_rapl_meter(const fs::path& sysfs_root, Clock& clock) {
  PANAL_ASSIGN(std::vector<Domain> domains, find_packages(sysfs_root / "class" / "powercap"));
  return std::unique_ptr<Meter>(std::make_unique<RaplMeter>(std::move(domains), clock));
}

}  // namespace panal::energy
