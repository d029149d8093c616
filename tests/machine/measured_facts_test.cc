// What was measured stays known, machine by machine, and a torn file costs nothing but the memory
// of it.
#include "machine/measured_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/toy_text.h"

namespace panal::machine {
namespace {

MeasuredFacts facts_of(const std::string& precision, double peak) {
  MeasuredFacts facts;
  facts.machine = {.cpu = "some CPU", .cores = 2, .threads = 2, .precision = precision};
  facts.machine.peak_flops = peak;
  return facts;
}

class MeasuredFactsFile : public testing::Test {
 protected:
  TestFolder folder_{"facts"};
  std::filesystem::path path_ = facts_path(folder_.path());
  store::FileSystem& files_ = store::posix_file_system();
};

TEST_F(MeasuredFactsFile, IsEmptyWhereThereIsNone) {
  const auto facts = read_facts(path_);
  ASSERT_TRUE(facts.ok());
  EXPECT_TRUE(facts->empty());
}

TEST_F(MeasuredFactsFile, KeepsEachMachineOnceAndWhatIsKnownOfIt) {
  MeasuredFacts first = facts_of("fp32", 1e11);
  first.pretrain_process_bytes = 100e6;
  ASSERT_TRUE(keep_facts(files_, path_, first).ok());
  ASSERT_TRUE(keep_facts(files_, path_, facts_of("bf16", 3e11)).ok());
  MeasuredFacts later = facts_of("fp32", 2e11);
  later.lora_process_bytes = 90e6;
  ASSERT_TRUE(keep_facts(files_, path_, later).ok());
  const auto all = read_facts(path_).value();
  ASSERT_EQ(all.size(), 2u);
  const auto found = find_facts(all, later.machine);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->machine.peak_flops, 2e11);
  EXPECT_EQ(found->pretrain_process_bytes, 100e6);
  EXPECT_EQ(found->lora_process_bytes, 90e6);
  Machine wider = later.machine;
  wider.threads = 4;
  EXPECT_FALSE(find_facts(all, wider));
}

TEST_F(MeasuredFactsFile, ADamagedOneIsToldAndBegunAnew) {
  for (const char* text : {"{", "[]", "{\"measured\": 7}", "{\"measured\": [{}]}",
                           "{\"measured\": [{\"machine\": {\"cores\": -3}}]}",
                           "{\"measured\": [{\"machine\": {}, \"lora_process_bytes\": -1}]}"}) {
    write_text(path_, text);
    const auto facts = read_facts(path_);
    ASSERT_FALSE(facts.ok()) << text;
    EXPECT_THAT(facts.status().message(), testing::HasSubstr("machine.json")) << text;
    ASSERT_TRUE(keep_facts(files_, path_, facts_of("fp32", 1e11)).ok());
    EXPECT_EQ(read_facts(path_).value().size(), 1u);
  }
}

}  // namespace
}  // namespace panal::machine
