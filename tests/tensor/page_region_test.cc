// Buffers keep apart and keep their contents, and the pages held, as the kernel counts them, are
// those of the most that was in use.
#include "tensor/page_region.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "base/rng.h"

namespace panal::tensor {
namespace {

constexpr std::size_t kAddresses = 256 << 20;

struct Buffer {
  unsigned char* data = nullptr;
  std::size_t bytes = 0;
  unsigned char value = 0;
};

Buffer filled(PageRegion& region, std::size_t bytes, unsigned char value) {
  Buffer buffer{
      .data = static_cast<unsigned char*>(region.allocate(bytes)), .bytes = bytes, .value = value};
  if (buffer.data != nullptr) std::memset(buffer.data, value, bytes);
  return buffer;
}

bool is_whole(const Buffer& buffer) {
  return std::all_of(buffer.data, buffer.data + buffer.bytes,
                     [&](unsigned char byte) { return byte == buffer.value; });
}

// What the kernel holds of all the region's addresses, which begin at `begin`.
std::size_t kernel_bytes(void* begin) {
  std::vector<unsigned char> pages(kAddresses / PageRegion::page_bytes());
  EXPECT_EQ(::mincore(begin, kAddresses, pages.data()), 0);
  return static_cast<std::size_t>(
             std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; })) *
         PageRegion::page_bytes();
}

TEST(PageRegion, WhatIsFreedIsTakenAgainWithItsPages) {
  PageRegion region(kAddresses, kAddresses);
  const Buffer first = filled(region, 3 << 20, 1);
  EXPECT_TRUE(region.free(first.data));
  EXPECT_EQ(kernel_bytes(first.data), 3u << 20) << "freed pages are kept";
  EXPECT_EQ(region.allocate(3 << 20), first.data);
  EXPECT_EQ(region.use().resident_bytes, 3u << 20);
}

// Holes of 1 MiB cannot hold 2 MiB: their pages make room for those of the new buffer.
TEST(PageRegion, HolesThatDoNotFitGiveTheirPagesBack) {
  PageRegion region(kAddresses, kAddresses);
  std::vector<Buffer> buffers;
  for (int i = 0; i < 64; ++i) buffers.push_back(filled(region, 1 << 20, 1));
  for (int i = 0; i < 64; i += 2) region.free(buffers[static_cast<std::size_t>(i)].data);
  for (int i = 0; i < 16; ++i) filled(region, 2 << 20, 2);
  EXPECT_EQ(region.use().live_bytes, 64u << 20);
  EXPECT_LE(kernel_bytes(buffers[0].data), 65u << 20);
  for (int i = 1; i < 64; i += 2) EXPECT_TRUE(is_whole(buffers[static_cast<std::size_t>(i)]));
}

std::int64_t page_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// The steps of training ask for the same buffers: from the second on, little is paged in.
TEST(PageRegion, ThePatternOfOneStepIsServedByItsPagesInTheNext) {
  PageRegion region(kAddresses, kAddresses);
  const auto step = [&] {
    std::vector<Buffer> kept;
    for (int layer = 0; layer < 8; ++layer) {
      const Buffer passing = filled(region, (2 + layer % 3) << 20, 3);
      kept.push_back(filled(region, 1 << 20, 4));
      region.free(passing.data);
    }
    for (const Buffer& buffer : kept) region.free(buffer.data);
  };
  const std::int64_t start = page_faults();
  step();
  const std::int64_t of_first = page_faults() - start;
  step();
  EXPECT_LT(page_faults() - start - of_first, of_first / 4);
  EXPECT_EQ(region.use().live_bytes, 0u);
}

TEST(PageRegion, RandomBuffersStayWholeAndNeverHoldMoreThanTheMostInUse) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    Rng random(seed);
    PageRegion region(kAddresses, kAddresses);
    void* begin = region.allocate(1);  // The first address, for the kernel's count.
    std::vector<Buffer> buffers;
    for (int i = 0; i < 3000; ++i) {
      if (!buffers.empty() && random.below(100) < 48) {
        std::swap(buffers[random.below(buffers.size())], buffers.back());
        ASSERT_TRUE(is_whole(buffers.back())) << i;
        ASSERT_TRUE(region.free(buffers.back().data));
        buffers.pop_back();
      } else {
        const std::size_t bytes = 1 + random.below(random.below(4) == 0 ? 1 << 21 : 1 << 16);
        const Buffer made = filled(region, bytes, static_cast<unsigned char>(i));
        if (made.data != nullptr) buffers.push_back(made);
      }
      const PageRegion::Use use = region.use();
      ASSERT_LE(use.resident_bytes, use.most_live_bytes + use.most_live_bytes / 512);
      if (i % 100 == 0) {
        ASSERT_LE(kernel_bytes(begin), use.resident_bytes);
      }
    }
  }
}

TEST(PageRegion, ThreadsShareIt) {
  PageRegion region(kAddresses, kAddresses);
  const auto work = [&](unsigned char value) {
    Rng random(value);
    for (int i = 0; i < 500; ++i) {
      const Buffer one = filled(region, 1 + random.below(1 << 18), value);
      const Buffer other = filled(region, 1 + random.below(1 << 18), value);
      EXPECT_TRUE(is_whole(one));
      EXPECT_TRUE(region.free(one.data));
      EXPECT_TRUE(is_whole(other));
      EXPECT_TRUE(region.free(other.data));
    }
  };
  std::vector<std::thread> threads;
  for (unsigned char value = 1; value <= 4; ++value) threads.emplace_back(work, value);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(region.use().live_bytes, 0u);
}

TEST(PageRegion, RefusesWhatIsTooLargeAndWhatIsNotItsOwn) {
  PageRegion region(kAddresses, 8 << 20);
  EXPECT_EQ(region.allocate(9 << 20), nullptr);
  EXPECT_EQ(region.allocate(~std::size_t{0}), nullptr);
  void* half = region.allocate(4 << 20);
  ASSERT_NE(half, nullptr);
  EXPECT_EQ(region.allocate(5 << 20), nullptr);
  int elsewhere = 0;
  EXPECT_FALSE(region.free(&elsewhere));
  EXPECT_FALSE(region.free(static_cast<char*>(half) + PageRegion::page_bytes()));
  EXPECT_TRUE(region.free(half));
  EXPECT_FALSE(region.free(half));
}

// More addresses than any machine has: every buffer is refused, so that it is made elsewhere.
TEST(PageRegion, IsEmptyWhereTheKernelRefusesTheAddresses) {
  PageRegion region(std::size_t{1} << 62, std::size_t{1} << 62);
  EXPECT_EQ(region.allocate(1), nullptr);
  int elsewhere = 0;
  EXPECT_FALSE(region.free(&elsewhere));
}

}  // namespace
}  // namespace panal::tensor
