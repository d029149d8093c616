// What is refused leaves the run directory as it was, byte for byte, and says what was wrong where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "base/hash.h"
#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

using testing::HasSubstr;

// Relative path to hash, folders included.
std::map<std::string, std::string> tree_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> tree;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    tree[std::filesystem::relative(entry.path(), folder).string()] =
        entry.is_regular_file() ? sha256_hex(read_text(entry.path())) : "folder";
  }
  return tree;
}

void flip_in_every_checkpoint(const std::filesystem::path& run, const char* file) {
  for (const auto& checkpoint : std::filesystem::directory_iterator(run / "checkpoints")) {
    std::string bytes = read_text(checkpoint.path() / file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_text(checkpoint.path() / file, bytes);
  }
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

struct Bad {
  const char* name;
  std::function<void(const std::filesystem::path&)> harm;  // Done to the run directory.
  std::string yaml;
  std::vector<std::string> told;
};

TEST(BadInput, IsToldAndChangesNothing) {
  const auto nothing = [](const std::filesystem::path&) {};
  const std::vector<Bad> table = {
      {"weights",
       [](const auto& run) { flip_in_every_checkpoint(run, "weights.safetensors"); },
       toy_yaml(),
       {"weights.safetensors", "expected checksum", "none of 2 checkpoints"}},
      {"moments",
       [](const auto& run) { flip_in_every_checkpoint(run, "optimizer.safetensors"); },
       toy_yaml(),
       {"optimizer.safetensors", "expected checksum"}},
      {"state",
       [](const auto& run) { flip_in_every_checkpoint(run, "state.json"); },
       toy_yaml(),
       {"state.json"}},
      {"missing",
       [](const auto& run) {
         for (const auto& entry : std::filesystem::directory_iterator(run / "checkpoints")) {
           std::filesystem::remove(entry.path() / "weights.safetensors");
         }
       },
       toy_yaml(),
       {"weights.safetensors"}},
      {"plan",
       [](const auto& run) { write_text(run / "plan.json", "{\"steps\": 0}"); },
       toy_yaml(),
       {"plan.json", "steps"}},
      {"width",
       nothing,
       replaced(toy_yaml(), "width: 32", "width: 64"),
       {"model.width = 32, but the config now says 64"}},
      {"rule",
       nothing,
       replaced(toy_yaml(), "muon_learning_rate: 0.02", "muon_learning_rate: 0.03"),
       {"optimizer.muon_learning_rate = 0.02"}},
      {"batch",
       nothing,
       replaced(toy_yaml(), "sequences: 4", "sequences: 8"),
       {"batch.sequences = 4, but the config now says 8"}},
  };
  for (const Bad& bad : table) {
    TestFolder folder(std::string("bad_input_") + bad.name);
    RecordingEvents stopped, events;
    stopped.stop_after_step = 6;
    const auto config = toy_config(folder.path(), toy_yaml());
    ASSERT_TRUE(run_toy(config, stopped).ok());
    bad.harm(config.run_directory);
    const auto before = tree_of(config.run_directory);
    const auto refused = run_toy(toy_config(folder.path(), bad.yaml), events);
    ASSERT_FALSE(refused.ok()) << bad.name;
    for (const std::string& words : bad.told) {
      EXPECT_THAT(refused.status().message(), HasSubstr(words)) << bad.name;
    }
    EXPECT_EQ(tree_of(config.run_directory), before) << bad.name;
  }
}

}  // namespace
}  // namespace panal::train
