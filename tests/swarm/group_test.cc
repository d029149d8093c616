#include "swarm/group.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "base/rng.h"
#include "base/timing.h"

namespace panal::swarm {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;  // For ranks that are there.

// Runs `work` on every rank, each in a thread of its own; a rank leaves when its work is done.
void on_all(std::vector<Group> groups, const std::function<void(Group&)>& work) {
  std::vector<std::thread> threads;
  for (auto& group : groups) {
    threads.emplace_back([group = std::move(group), &work]() mutable { work(group); });
  }
  for (auto& thread : threads) thread.join();
}

std::vector<float> numbers_of(int rank, std::size_t count, std::uint64_t seed) {
  Rng rng(derive_seed(seed, static_cast<std::uint64_t>(rank)));
  std::vector<float> numbers(count);
  for (float& number : numbers) number = static_cast<float>(rng.normal());
  return numbers;
}

std::vector<double> sums_of(int size, std::size_t count, std::uint64_t seed) {
  std::vector<double> sums(count, 0.0);
  for (int rank = 0; rank < size; ++rank) {
    const auto numbers = numbers_of(rank, count, seed);
    for (std::size_t i = 0; i < count; ++i) sums[i] += static_cast<double>(numbers[i]);
  }
  return sums;
}

std::string unix_address(const char* name) {
  return "unix:/tmp/panal_swarm_" + std::to_string(::getpid()) + name;
}

const std::string kToken(32, 't');

TEST(Group, AllReduceSumsOnEveryRankWithTheSameBits) {
  for (const int size : {1, 2, 3, 5}) {
    // Fewer elements than ranks, none, odd counts, and more than the line holds.
    for (const std::size_t count : {0u, 1u, 4u, 1037u, 40'001u}) {
      const auto expected = sums_of(size, count, 7);
      std::vector<std::vector<float>> results(static_cast<std::size_t>(size));
      on_all(simulated_groups(size, kPatience).value(), [&](Group& group) {
        auto values = numbers_of(group.rank(), count, 7);
        ASSERT_TRUE(group.all_reduce(values).ok());
        results[static_cast<std::size_t>(group.rank())] = values;
      });
      for (const auto& values : results) {
        ASSERT_EQ(values.size(), count);
        EXPECT_EQ(
            count == 0 ? 0 : std::memcmp(values.data(), results[0].data(), count * sizeof(float)),
            0);
        // 1e-5: five terms of size about 1 in float32.
        for (std::size_t i = 0; i < count; ++i) ASSERT_NEAR(values[i], expected[i], 1e-5);
      }
    }
  }
}

TEST(Group, RepeatsBitForBit) {
  std::vector<float> results[2];
  for (auto& result : results) {
    on_all(simulated_groups(4, kPatience).value(), [&](Group& group) {
      auto values = numbers_of(group.rank(), 9999, 3);
      ASSERT_TRUE(group.all_reduce(values).ok());
      if (group.rank() == 2) result = values;
    });
  }
  EXPECT_EQ(std::memcmp(results[0].data(), results[1].data(), 9999 * sizeof(float)), 0);
}

TEST(Group, ReduceScatterGivesEachRankItsPartAndAllGatherAllOfThem) {
  const std::vector<std::size_t> ends = {100, 100, 5000, 5003};  // One part is empty.
  const auto expected = sums_of(4, 5003, 11);
  on_all(simulated_groups(4, kPatience).value(), [&](Group& group) {
    auto values = numbers_of(group.rank(), 5003, 11);
    ASSERT_TRUE(group.reduce_scatter(values, ends).ok());
    const auto rank = static_cast<std::size_t>(group.rank());
    for (std::size_t i = rank == 0 ? 0 : ends[rank - 1]; i < ends[rank]; ++i) {
      ASSERT_NEAR(values[i], expected[i], 1e-5);
    }
    ASSERT_TRUE(group.all_gather(values, ends).ok());
    for (std::size_t i = 0; i < 5003; ++i) ASSERT_NEAR(values[i], expected[i], 1e-5);
  });
}

TEST(Group, BFloat16IsSummedInFloat32AndRoundedOnce) {
  on_all(simulated_groups(3, kPatience).value(), [&](Group& group) {
    // 256 + 1 + 1 is 258 in bfloat16; summed in bfloat16 each 1 would be lost.
    std::vector<std::uint16_t> values(1001, group.rank() == 0 ? 0x4380 : 0x3f80);
    ASSERT_TRUE(group.all_reduce_bfloat16(values).ok());
    for (const auto value : values) {
      ASSERT_EQ(std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16), 258.0f);
    }
  });
}

TEST(Group, BroadcastComesFromAnyRoot) {
  for (int root = 0; root < 3; ++root) {
    on_all(simulated_groups(3, kPatience).value(), [&](Group& group) {
      std::vector<float> values(7777, static_cast<float>(group.rank()));
      ASSERT_TRUE(group.broadcast(values, root).ok());
      for (const float value : values) ASSERT_EQ(value, static_cast<float>(root));
      const auto sum = group.sum(group.rank() + 0.5);
      ASSERT_TRUE(sum.ok());
      EXPECT_EQ(*sum, 4.5);
      ASSERT_TRUE(group.barrier().ok());
    });
  }
}

// The others end by their deadlines, so this ends too.
void wait_until_ended(const std::atomic<int>& ended, int num_ranks) {
  for (int seen = ended; seen < num_ranks; seen = ended) ended.wait(seen);
}

TEST(Group, EveryOtherRankNamesTheOneThatIsLost) {
  const std::uint64_t seed = std::random_device{}();
  Rng rng(seed);
  for (int round = 0; round < 6; ++round) {
    const SimulatedFault fault{.rank = static_cast<int>(rng.below(4)),
                               .after_bytes = rng.below(200'000),
                               .closes = round % 2 == 0};
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", round " << round << ", rank "
                                    << fault.rank << ", bytes " << fault.after_bytes);
    std::atomic<int> ended = 0;
    on_all(simulated_groups(4, 1000ms, fault).value(), [&](Group& group) {
      auto values = numbers_of(group.rank(), 10'000, 5);
      Status status;
      while (status.ok()) status = group.all_reduce(values);
      if (group.rank() == fault.rank) {
        EXPECT_EQ(status.code(), Code::kCancelled);
        // A silent rank stays until the others have found out.
        if (!fault.closes) wait_until_ended(ended, 3);
        return;
      }
      ++ended;
      ended.notify_all();
      EXPECT_EQ(status.code(), Code::kUnavailable);
      EXPECT_NE(status.message().find("rank " + std::to_string(fault.rank) + " of 4 is lost"),
                std::string::npos)
          << status.message();
      EXPECT_EQ(group.barrier().message(), status.message());
    });
  }
}

TEST(Group, ARankThatComesLaterThanTheDeadlineIsLostUnlessItIsAnnounced) {
  std::atomic<int> ended = 0;
  for (const bool announces : {true, false}) {
    ended = 0;
    on_all(simulated_groups(3, 1000ms).value(), [&](Group& group) {
      if (group.rank() == 1) {
        for (int i = 0; announces && i < 60; ++i) {
          // Lateness by the clock is what this is about.
          system_clock().sleep_for(25ms);
          group.announce_life();
        }
        if (!announces) wait_until_ended(ended, 2);
      }
      const Status status = group.barrier();
      if (announces) {
        EXPECT_TRUE(status.ok()) << status.message();
      } else {
        EXPECT_NE(status.message().find("rank 1 of 3"), std::string::npos)
            << group.rank() << ": " << status.message();
        ++ended;
        ended.notify_all();
      }
    });
  }
}

TEST(Group, DifferentCallsAreRefusedOnAllRanks) {
  on_all(simulated_groups(2, 2000ms).value(), [&](Group& group) {
    std::vector<float> values(group.rank() == 0 ? 8 : 9);
    const Status status = group.all_reduce(values);
    EXPECT_EQ(status.code(), Code::kUnavailable);
  });
}

void join_and_sum(const std::string& address) {
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 3; ++rank) {
    threads.emplace_back([&, rank] {
      auto group = Group::join(
          {.rank = rank, .size = 3, .address = address, .token = kToken, .join_deadline = 60s});
      ASSERT_TRUE(group.ok()) << group.status().message();
      std::vector<float> values(300'001, static_cast<float>(rank + 1));
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(group->all_reduce(values).ok());
      for (const float value : values) ASSERT_EQ(value, 54.0f);  // (1 + 2 + 3) * 3 * 3.
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Group, JoinsThroughSharedMemory) { join_and_sum(unix_address("join")); }

int free_port() {
  const int probe = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_storage address{};
  address.ss_family = AF_INET;
  socklen_t length = sizeof address;
  bind(probe, reinterpret_cast<sockaddr*>(&address), 16);
  getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length);
  std::uint16_t port;
  std::memcpy(&port, reinterpret_cast<char*>(&address) + 2, 2);
  close(probe);
  return (port >> 8) | ((port & 255) << 8);
}

TEST(Group, JoinsThroughTcp) { join_and_sum("tcp:127.0.0.1:" + std::to_string(free_port())); }

TEST(Group, StrangersAreSentAwayAndTheGroupStillMeets) {
  const std::string address = unix_address("strangers");
  std::thread stranger([&] {
    const auto refused = Group::join({.rank = 1,
                                      .size = 2,
                                      .address = address,
                                      .token = std::string(32, 'x'),
                                      .join_deadline = 60s});
    EXPECT_FALSE(refused.ok());
    // Not even a greeting: a length that no message may have.
    const int rude = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, address.c_str() + 5, sizeof name.sun_path - 1);
    ASSERT_EQ(connect(rude, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    const std::uint32_t huge = 0xffffffffu;
    ASSERT_EQ(send(rude, &huge, sizeof huge, MSG_NOSIGNAL), 4);
    EXPECT_TRUE(Group::join({.rank = 1, .size = 2, .address = address, .token = kToken}).ok());
    close(rude);
  });
  EXPECT_TRUE(Group::join({.rank = 0, .size = 2, .address = address, .token = kToken}).ok());
  stranger.join();
}

TEST(Group, SaysHowManyCame) {
  const auto group = Group::join({.rank = 0,
                                  .size = 3,
                                  .address = unix_address("alone"),
                                  .token = kToken,
                                  .join_deadline = 50ms});
  EXPECT_EQ(group.status().code(), Code::kDeadlineExceeded);
  EXPECT_NE(group.status().message().find("1 of 3 ranks came"), std::string::npos)
      << group.status().message();
}

TEST(Group, OptionsOutOfRangeAreRefused) {
  const GroupOptions good{.rank = 0, .size = 2, .address = "tcp:localhost:1", .token = kToken};
  const auto refused = [&](auto change) {
    GroupOptions options = good;
    change(options);
    return Group::join(options).status().code() == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](GroupOptions& o) { o.size = 0; }));
  EXPECT_TRUE(refused([](GroupOptions& o) { o.size = 5000; }));
  EXPECT_TRUE(refused([](GroupOptions& o) { o.rank = 2; }));
  EXPECT_TRUE(refused([](GroupOptions& o) { o.token = "short"; }));
  EXPECT_TRUE(refused([](GroupOptions& o) { o.address = "http://x"; }));
  EXPECT_TRUE(refused([](GroupOptions& o) { o.address = "tcp:host:99999"; }));
  EXPECT_TRUE(refused([](GroupOptions& o) { o.address = "unix:" + std::string(200, 'p'); }));
}

// Real processes: the second one is killed in the middle of its sums.
TEST(Group, AKilledProcessIsNamed) {
  const std::string address = unix_address("killed");
  const pid_t child = fork();
  if (child == 0) {
    auto group = Group::join({.rank = 1, .size = 2, .address = address, .token = kToken});
    std::vector<float> values(10'000);
    for (int i = 0; group.ok() && i < 20; ++i) (void)group->all_reduce(values);
    raise(SIGKILL);
  }
  auto group = Group::join({.rank = 0, .size = 2, .address = address, .token = kToken});
  ASSERT_TRUE(group.ok()) << group.status().message();
  std::vector<float> values(10'000);
  Status status;
  while (status.ok()) status = group->all_reduce(values);
  EXPECT_NE(status.message().find("rank 1 of 2 is lost"), std::string::npos) << status.message();
  waitpid(child, nullptr, 0);
}

// A rank that waits for something else learns of a loss without a call of its own, and who leaves
// in order after the last call is not lost.
TEST(Group, LooksAfterOthersWithoutACollective) {
  std::atomic<int> looked = 0;
  on_all(simulated_groups(3, kPatience, {.rank = 1}).value(), [&](Group& group) {
    if (group.rank() == 1) {
      EXPECT_EQ(group.barrier().code(), Code::kCancelled);  // Its connections close.
      return;
    }
    Status status;
    while ((status = group.look_after_others()).ok()) std::this_thread::yield();
    EXPECT_EQ(status.code(), Code::kUnavailable);
    EXPECT_NE(status.message().find("rank 1 of 3 is lost"), std::string::npos) << status.message();
    EXPECT_EQ(group.barrier().message(), status.message());
    ++looked;
    while (looked < 2) std::this_thread::yield();
  });
  EXPECT_EQ(looked, 2);
  on_all(simulated_groups(3, kPatience).value(), [](Group& group) {
    EXPECT_TRUE(group.barrier().ok());
    EXPECT_TRUE(group.look_after_others().ok());
    EXPECT_TRUE(group.barrier().ok());
  });
}

}  // namespace
}  // namespace panal::swarm
