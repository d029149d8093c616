// What the system tells of this computer, and what is kept of it in files.
#include "machine/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "machine/resident_memory.h"

namespace panal::machine {
namespace {

TEST(Inventory, KnowsWhatTheSystemTells) {
  const Machine machine = inventory();
  EXPECT_EQ(machine.device, "cpu");
  EXPECT_EQ(machine.cores.value_or(0), num_cores());
  EXPECT_GT(machine.memory_bytes.value_or(0), 1 << 20);
  EXPECT_FALSE(machine.threads);     // Whoever computes says with how many,
  EXPECT_FALSE(machine.peak_flops);  // and nothing is measured.
  const auto peak = peak_resident_bytes();
  ASSERT_TRUE(peak);
  EXPECT_GT(*peak, 1 << 20);
  EXPECT_LT(*peak, *machine.memory_bytes);
}

TEST(Inventory, ProcessesShareTheCoresUnlessTold) {
  EXPECT_EQ(threads_of_process(3, 2), 3);
  EXPECT_EQ(threads_of_process(0, 1), num_cores());
  EXPECT_EQ(threads_of_process(0, 64 * num_cores()), 1);
}

TEST(Machine, ComesBackFromItsJsonAndUnknownStaysUnknown) {
  Machine machine{.cpu = "some CPU", .cores = 8, .precision = "bf16"};
  machine.peak_flops = 2.5e11;
  const auto again = machine_from_json(work::to_json(machine), "here");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_TRUE(again->is_like(machine));
  EXPECT_EQ(again->peak_flops, machine.peak_flops);
  EXPECT_FALSE(again->threads || again->memory_bytes || again->memory_bytes_per_s);
  EXPECT_EQ(machine_label(machine), "some CPU, 8 cores, bf16");
  EXPECT_EQ(machine_label(Machine()), "machine unknown");
}

TEST(Machine, RefusesFiguresThatCannotBe) {
  for (const Json& bad : {Json{{"cores", -1}}, Json{{"threads", "two"}}, Json{{"cpu", 7}},
                          Json{{"peak_flops", -1.0}}}) {
    const auto read = machine_from_json(bad, "machines.json");
    ASSERT_FALSE(read.ok()) << bad;
    EXPECT_THAT(read.status().message(), testing::HasSubstr("machines.json")) << bad;
  }
}

}  // namespace
}  // namespace panal::machine
