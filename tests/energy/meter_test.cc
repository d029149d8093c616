// Meters on fake machines: a sysfs tree and a proc tree made by hand, counters that wrap, files
// nobody may read.
#include "energy/meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/bound_by_permissions.h"

namespace panal::energy {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A folder that goes away with the test.
class FakeSystem {
 public:
  FakeSystem() {
    std::string name = (fs::temp_directory_path() / "panal-energy-XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  ~FakeSystem() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  const fs::path& root() const { return root_; }
  void write(const fs::path& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }
  void domain(const std::string& folder, const std::string& name, std::uint64_t energy_uj,
              std::uint64_t range_uj = 262143328850) const {
    const fs::path path = fs::path("class/powercap") / folder;
    write(path / "name", name);
    write(path / "energy_uj", std::to_string(energy_uj));
    write(path / "max_energy_range_uj", std::to_string(range_uj));
  }

 private:
  fs::path root_;
};

class EnvironmentVariable {
 public:
  EnvironmentVariable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~EnvironmentVariable() { unsetenv(name_); }

 private:
  const char* name_;
};

TEST(Rapl, SumsPackagesAndNothingThatIsPartOfThem) {
  FakeSystem system;
  ManualClock clock;
  system.domain("intel-rapl:0", "package-0", 1'000'000);
  system.domain("intel-rapl:0:0", "core", 500'000);
  system.domain("intel-rapl:0:1", "dram", 300'000);
  system.domain("intel-rapl:1", "package-1", 7'000'000);
  system.domain("intel-rapl:2", "psys", 9'000'000);
  auto meter = open_rapl_meter(system.root(), clock).value();
  const EnergyWindow window(*meter);
  system.domain("intel-rapl:0", "package-0", 3'500'000);
  system.domain("intel-rapl:0:0", "core", 900'000'000);
  system.domain("intel-rapl:1", "package-1", 8'000'000);
  system.domain("intel-rapl:2", "psys", 900'000'000);
  const EnergyReading reading = window.read();
  EXPECT_NEAR(reading.joules.value(), 3.5, 1e-9);
  EXPECT_EQ(reading.method, "measured:rapl-package");
  EXPECT_THAT(reading.detail, HasSubstr("package-0, package-1"));
}

TEST(Rapl, CountsAPackageOnceThoughTwoDriversShowIt) {
  FakeSystem system;
  ManualClock clock;
  system.domain("intel-rapl:0", "package-0", 0);
  system.domain("intel-rapl-mmio:0", "package-0", 0);
  auto meter = open_rapl_meter(system.root(), clock).value();
  system.domain("intel-rapl:0", "package-0", 2'000'000);
  system.domain("intel-rapl-mmio:0", "package-0", 77'000'000);
  EXPECT_NEAR(meter->sample()->joules, 2, 1e-9);
}

TEST(Rapl, FollowsTheCounterThroughItsWraps) {
  FakeSystem system;
  ManualClock clock;
  system.domain("intel-rapl:0", "package-0", 90'000'000, 100'000'000);
  auto meter = open_rapl_meter(system.root(), clock).value();
  double last = 0;
  std::uint64_t counter = 90'000'000;
  for (int i = 1; i <= 20; ++i) {
    counter = (counter + 30'000'000) % 100'000'000;
    system.domain("intel-rapl:0", "package-0", counter, 100'000'000);
    const double now = meter->sample()->joules;
    EXPECT_NEAR(now - last, 30, 1e-9) << i;
    last = now;
  }
}

TEST(Rapl, AGapInWhichWrapsMayBeLostIsUnknownNotTooLittle) {
  FakeSystem system;
  ManualClock clock;
  system.domain("intel-rapl:0", "package-0", 0, 100'000'000'000);  // 100 kJ: 100 s at 1 kW.
  auto meter = open_rapl_meter(system.root(), clock).value();
  const EnergyWindow window(*meter);
  clock.advance(std::chrono::seconds(99));
  EXPECT_TRUE(window.read().joules.has_value());
  clock.advance(std::chrono::seconds(101));
  const EnergyReading lost = window.read();
  EXPECT_FALSE(lost.joules.has_value());
  EXPECT_EQ(lost.method, "unknown");
  const EnergyWindow next(*meter);
  EXPECT_TRUE(next.read().joules.has_value()) << "a new window counts again";
}

TEST(Rapl, WithoutCountersOrWithGarbageInThemThereIsNoMeter) {
  FakeSystem system;
  ManualClock clock;
  const auto open = [&] { return open_rapl_meter(system.root(), clock); };
  EXPECT_EQ(open().code(), Code::kUnavailable) << "no powercap folder";
  system.domain("intel-rapl:0", "psys", 5);
  EXPECT_EQ(open().code(), Code::kUnavailable) << "no package";
  system.domain("intel-rapl:0", "package-0", 5);
  EXPECT_TRUE(open().ok());
  for (const std::string garbage : {"", "-4", "12abc", "99999999999999999999999", "0x10"}) {
    system.write("class/powercap/intel-rapl:0/energy_uj", garbage);
    EXPECT_FALSE(open().ok()) << garbage;
  }
  system.domain("intel-rapl:0", "package-0", 101, 100);
  EXPECT_THAT(open().status().message(), HasSubstr("over max_energy_range_uj 100"));
}

TEST(Rapl, ACounterThatGoesAwayMakesTheWindowUnknown) {
  FakeSystem system;
  ManualClock clock;
  system.domain("intel-rapl:0", "package-0", 5);
  auto meter = open_rapl_meter(system.root(), clock).value();
  const EnergyWindow window(*meter);
  fs::remove(system.root() / "class/powercap/intel-rapl:0/energy_uj");
  const EnergyReading reading = window.read();
  EXPECT_FALSE(reading.joules.has_value());
  EXPECT_THAT(reading.detail, HasSubstr("energy_uj cannot be read"));
}

TEST(Rapl, ACounterForRootOnlyIsNotAvailable) {
  FakeSystem system;
  ManualClock clock;
  system.domain("intel-rapl:0", "package-0", 5);
  const fs::path counter = system.root() / "class/powercap/intel-rapl:0/energy_uj";
  ASSERT_EQ(chmod(counter.c_str(), 0), 0);
  const test::BoundByPermissions bound;
  const auto meter = open_rapl_meter(system.root(), clock);
  EXPECT_EQ(meter.code(), Code::kUnavailable);
  EXPECT_THAT(meter.status().message(), HasSubstr(counter.string()));
}

TEST(Nvml, WithoutTheLibraryThereIsNoMeter) {
  EXPECT_EQ(open_nvml_meter("libpanal-no-such-library.so.1").code(), Code::kUnavailable);
  const auto wrong = open_nvml_meter("libm.so.6");
  EXPECT_EQ(wrong.code(), Code::kUnavailable);
  EXPECT_THAT(wrong.status().message(), HasSubstr("not an NVML"));
}

TEST(CpuTime, BusySecondsTimesTheWattsItNames) {
  auto meter = open_cpu_time_meter({.watts_per_thread = 1000, .child_processes = {}});
  const EnergyWindow window(*meter);
  EnergyReading reading = window.read();
  // At 1000 W per thread a joule is a millisecond of work.
  while (reading.joules.value() < 5) reading = window.read();
  EXPECT_EQ(reading.method, "estimated:cpu-time");
  EXPECT_THAT(reading.detail, HasSubstr("1000 W assumed per busy hardware thread"));
}

TEST(CpuTime, CountsANamedChildAndKeepsItsLastValue) {
  FakeSystem proc;
  // The name holds a bracket and blanks on purpose. Fields 14 and 15 are user and system ticks.
  const auto stat = [&](int user, int system) {
    proc.write("77/stat", "77 (evil) name) S 1 2 3 4 5 6 7 8 9 10 " + std::to_string(user) + " " +
                              std::to_string(system) + " 0 0 20 0");
  };
  stat(100, 50);
  const double ticks_per_s = static_cast<double>(sysconf(_SC_CLK_TCK));
  auto meter = open_cpu_time_meter(
      {.watts_per_thread = 1e-3, .child_processes = {77}, .proc_root = proc.root()});
  stat(1'000'100, 500'050);
  const double wanted = 1.5e6 / ticks_per_s * 1e-3;
  // The rest is this test's own time: well below a CPU minute.
  EXPECT_NEAR(meter->sample()->joules, wanted, 0.06);
  fs::remove_all(proc.root() / "77");
  EXPECT_NEAR(meter->sample()->joules, wanted, 0.06);
  EXPECT_THAT(meter->detail(), HasSubstr("this process and 1 more"));
}

TEST(CpuTime, WattsComeFromTheEnvironmentWhenTheyAreSane) {
  EXPECT_EQ(cpu_watts_per_thread_from_environment(), kDefaultCpuWattsPerThread);
  {
    EnvironmentVariable set("PANAL_CPU_WATTS_PER_THREAD", "12.5");
    EXPECT_EQ(cpu_watts_per_thread_from_environment(), 12.5);
  }
  for (const char* wrong : {"", "lots", "5W", "0", "-3", "nan", "inf", "1e9"}) {
    EnvironmentVariable set("PANAL_CPU_WATTS_PER_THREAD", wrong);
    EXPECT_EQ(cpu_watts_per_thread_from_environment(), kDefaultCpuWattsPerThread) << wrong;
  }
}

TEST(BestMeter, PrefersTheCounterAndFallsBackToTheEstimate) {
  FakeSystem system;
  ManualClock clock;
  MeterOptions options{
      .sysfs_root = system.root(), .nvml_library = "libpanal-none.so", .cpu_time = {}};
  EXPECT_EQ(open_best_meter(clock, options)->method(), "estimated:cpu-time");
  system.domain("intel-rapl:0", "package-0", 5);
  EXPECT_EQ(open_best_meter(clock, options)->method(), "measured:rapl-package");
  EnvironmentVariable off("PANAL_ENERGY", "off");
  auto meter = open_best_meter(clock, options);
  EXPECT_EQ(meter->method(), "unknown");
  EXPECT_FALSE(EnergyWindow(*meter).read().joules.has_value());
}

TEST(Combining, CarriesTheWeakestMethodAndNamesAll) {
  const EnergyReading measured{.joules = 2, .method = "measured:nvml", .detail = "gpu"};
  const EnergyReading estimated{.joules = 3, .method = "estimated:cpu-time", .detail = "cpu"};
  const EnergyReading unknown{};
  EXPECT_EQ(combine(std::vector{measured, measured}).method, "measured:nvml");
  EXPECT_EQ(combine(std::vector{measured, measured}).detail, "gpu");
  const EnergyReading mixed = combine(std::vector{measured, estimated});
  EXPECT_EQ(mixed.method, "estimated:nvml+cpu-time");
  EXPECT_DOUBLE_EQ(mixed.joules.value(), 5);
  const EnergyReading partly = combine(std::vector{measured, unknown});
  EXPECT_FALSE(partly.joules.has_value());
  EXPECT_EQ(partly.method, "unknown");
  EXPECT_THAT(partly.detail, HasSubstr("1 of 2 parts known (2 J)"));
  EXPECT_FALSE(combine({}).joules.has_value());
}

TEST(Combining, MetersAddUpUnlessOneOfThemIsLost) {
  std::vector<std::unique_ptr<Meter>> parts;
  auto gpu = std::make_unique<SyntheticMeter>("measured:nvml");
  auto cpu = std::make_unique<SyntheticMeter>("estimated:cpu-time");
  SyntheticMeter& gpu_meter = *gpu;
  SyntheticMeter& cpu_meter = *cpu;
  parts.push_back(std::move(gpu));
  parts.push_back(std::move(cpu));
  auto meter = combine_meters(std::move(parts));
  const EnergyWindow window(*meter);
  gpu_meter.add_joules(4);
  cpu_meter.add_joules(1.5);
  EXPECT_DOUBLE_EQ(window.read().joules.value(), 5.5);
  EXPECT_EQ(window.read().method, "estimated:nvml+cpu-time");
  gpu_meter.set_readable(false);
  EXPECT_FALSE(window.read().joules.has_value());
  gpu_meter.set_readable(true);
  EXPECT_FALSE(window.read().joules.has_value()) << "what was used in between is lost";
  EXPECT_EQ(combine_meters({})->method(), "unknown");
}

TEST(Windows, NestAndOverlapFromManyThreads) {
  SyntheticMeter meter;
  const EnergyWindow whole(meter);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 200; ++j) {
        const EnergyWindow inner(meter);
        meter.add_joules(1);
        EXPECT_GE(inner.read().joules.value(), 1);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_DOUBLE_EQ(whole.read().joules.value(), 800);
}

}  // namespace
}  // namespace panal::energy
