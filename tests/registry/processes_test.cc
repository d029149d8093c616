// Real processes on one home: killed at random moments, and writing at the same time.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <random>
#include <set>

#include "base/rng.h"
#include "base/timing.h"
#include "tests/registry/catalogue_fixture.h"

namespace panal::registry {
namespace {

using test::write_plain;

/// Adds models until killed or `max_models` are in; says each version over the pipe after it was
/// acknowledged. Runs in a child process and never returns.
[[noreturn]] void add_models(const store::Home& home, const std::filesystem::path& scratch,
                             int pipe, const std::string& name, int max_models) {
  SystemClock clock;
  auto catalogue = Catalogue::open(store::posix_file_system(), home, clock);
  if (!catalogue.ok()) ::_exit(2);
  for (int i = 0; i < max_models; ++i) {
    NewModel model{.kind = ModelKind::kBase, .name = name};
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
      model.files[file] =
          write_plain(scratch / (name + file),
                      fmt::format("{} {} {} {}", ::getpid(), i, file, std::string(5000, 'w')));
    }
    const auto added = (*catalogue)->add_model(model);
    if (!added.ok()) ::_exit(3);
    const std::int64_t version = added->version;
    if (::write(pipe, &version, sizeof version) != sizeof version) ::_exit(4);
  }
  ::_exit(0);
}

/// Reads versions until `count` came or the writer is gone.
void read_versions(int pipe, std::uint64_t count, std::set<std::int64_t>& versions) {
  std::int64_t version = 0;
  for (std::uint64_t i = 0; i < count && ::read(pipe, &version, sizeof version) == sizeof version;
       ++i) {
    EXPECT_TRUE(versions.insert(version).second) << "version " << version << " was given out twice";
  }
}

/// A random moment: some acknowledgements, then some more microseconds, in which nothing is waited
/// for but time.
void wait_for_random_moment(int pipe, Rng& rng, std::set<std::int64_t>& versions) {
  read_versions(pipe, rng.below(4), versions);
  system_clock().sleep_for(std::chrono::microseconds(rng.below(20'000)));
}

using ProcessesTest = CatalogueTest;

TEST_F(ProcessesTest, KilledAtRandomMomentsLoseNothingAcknowledged) {
  const std::uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Rng rng(seed);
  std::set<std::int64_t> acknowledged;
  for (int round = 0; round < 15; ++round) {
    catalogue.reset();  // A connection must not be carried over fork().
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) add_models(home, folder.path(), ends[1], "alpha", 1'000'000);
    ::close(ends[1]);
    wait_for_random_moment(ends[0], rng, acknowledged);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself with " << WEXITSTATUS(status);
    read_versions(ends[0], ~std::uint64_t{0}, acknowledged);  // What was said but not read yet.
    ::close(ends[0]);

    reopen();
    for (const std::int64_t version : acknowledged) {
      const auto found = catalogue->resolve(fmt::format("alpha@{}", version));
      ASSERT_TRUE(found.ok()) << found.status().message();
    }
    const auto models = catalogue->list_models().value();
    for (const auto& model : models) {
      EXPECT_EQ(model.files.size(), 3u) << model.label() << " is half there";
      const Status intact = catalogue->verify(model);
      EXPECT_TRUE(intact.ok()) << intact.message();
    }
    EXPECT_EQ(test::num_entries(home.blobs / "incoming"), 0u) << "leftovers of the killed process";
  }
  EXPECT_FALSE(acknowledged.empty());
  std::printf("seed %llu: %zu models acknowledged, all whole\n",
              static_cast<unsigned long long>(seed), acknowledged.size());
  std::fflush(stdout);  // Or a forked child of a later test prints it again.
}

TEST_F(ProcessesTest, WriteAtTheSameTimeWithoutLosingOrMixingAnything) {
  constexpr int kProcesses = 2;
  constexpr int kModels = 12;
  catalogue.reset();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const auto scratch = folder / ("scratch-" + std::to_string(i));
    std::filesystem::create_directory(scratch);
    children.push_back(::fork());
    ASSERT_GE(children.back(), 0);
    if (children.back() == 0) add_models(home, scratch, ends[1], "shared", kModels);
  }
  ::close(ends[1]);
  std::set<std::int64_t> versions;
  read_versions(ends[0], ~std::uint64_t{0}, versions);
  ::close(ends[0]);
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(versions.size(), std::size_t{kProcesses * kModels});
  EXPECT_EQ(*versions.rbegin(), kProcesses * kModels) << "a version was left out";
  reopen();
  EXPECT_EQ(catalogue->list_models().value().size(), std::size_t{kProcesses * kModels});
  EXPECT_TRUE(catalogue->verify_all().value().empty());
}

}  // namespace
}  // namespace panal::registry
