// Which changes make another run, and which do not.
#include "recipe/run_identity.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/temporary_folder.h"

namespace panal::recipe {
namespace {

namespace fs = std::filesystem;

using test::TemporaryFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

fs::path write_plain(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  return test::write_plain(path, bytes);
}

constexpr const char* kPretrain = R"(kind: pretrain
name: toy
model: {width: 32, layers: 2, heads: 2, feed_forward_width: 64, context_length: 32}
tokenizer: {vocabulary_size: 320}
data: {path: text.txt, validation_fraction: 0.2}
optimizer: {rule: muon, learning_rate: 0.003, muon_learning_rate: 0.02}
batch: {sequences: 4, context: 32}
limits: {steps: 20}
)";

constexpr const char* kLora = R"(kind: lora
name: toy
model: {core: core}
data: {path: text.txt, validation_path: held.txt}
limits: {steps: 20}
)";

RunIdentity identity_in(const fs::path& folder, const std::string& yaml) {
  return identify(parse_run_config(yaml, "run.yaml", folder).value()).value();
}

std::string replaced(std::string yaml, const std::string& from, const std::string& to) {
  return yaml.replace(yaml.find(from), from.size(), to);
}

class RunIdentityTest : public testing::Test {
 protected:
  void SetUp() override {
    write_plain(folder / "text.txt", "some text");
    write_plain(folder / "held.txt", "other text");
    write_plain(folder / "core/model.safetensors", "weights");
    write_plain(folder / "core/tokenizer.json", "{}");
  }
  std::string id(const std::string& yaml) { return identity_in(folder.path(), yaml).id(); }

  TemporaryFolder folder;
};

// Every field a config has says what a change of it means: a new one must be given a role.
TEST_F(RunIdentityTest, EveryFieldHasARole) {
  const std::string sources = R"(kind: pretrain
data: {sources: [{name: a, path: a.txt}, {name: b, paths: [b.txt, c.txt], weight: 2}],
       validation_path: held.txt}
tokenizer: {path: tokenizer}
optimizer: {rule: muon, qk_clip: {threshold: 50}, ema_nesterov: {extrapolation: 0.5},
            rules: [{match: q_proj, rule: adamw}]}
schedule: {shape: wsd, warmup_steps: 5}
evaluation: {tasks: [{name: t, path: t.jsonl, shots_path: s.jsonl}]}
limits: {max_seconds: 60, steps: 5, threads: 2}
)";
  for (const std::string& yaml :
       {std::string(kPretrain), std::string(kLora),
        std::string(kLora) + "lora: {targets: [q_proj, v_proj]}\n", sources}) {
    const auto config = parse_run_config(yaml, "run.yaml");
    ASSERT_TRUE(config.ok()) << config.status().message();
    const Json fields = run_config_to_json(*config).flatten();
    for (const auto& [pointer, value] : fields.items()) {
      std::string field = pointer.substr(1);
      std::ranges::replace(field, '/', '.');
      EXPECT_TRUE(role_of(field).has_value()) << field << " is not in recipe/run_fields.cc";
    }
  }
  EXPECT_EQ(role_of("limits.of_a_new_kind"), std::nullopt);
}

TEST_F(RunIdentityTest, StaysWhenNothingThatShapesTheWeightsChanges) {
  const std::string before = id(kPretrain);
  for (const auto& [from, to] : std::initializer_list<std::pair<const char*, const char*>>{
           {"kind: pretrain", "# a note to myself\nkind:    pretrain"},
           {"name: toy", "name: another"},
           {"steps: 20", "steps: 30"},
           {"steps: 20", "max_seconds: 60, threads: 3"},
           {"limits:", "checkpoint: {every_steps: 3, keep: 7, keep_best: true}\nlimits:"},
           {"limits:", "evaluation: {every_steps: 4, sample_prompt: hello}\nlimits:"},
           {"limits:", "parallel: {processes: 2}\nlimits:"},
           {"limits:", "device: cpu\nmemory: {recompute: full}\nlimits:"},
           {"limits:", "precision: fp32\nstability: {rollbacks: 9}\nlimits:"}}) {
    EXPECT_EQ(id(replaced(kPretrain, from, to)), before) << to;
  }
  fs::rename(folder / "text.txt", folder / "moved.txt");
  EXPECT_EQ(id(replaced(kPretrain, "text.txt", "moved.txt")), before);
}

TEST_F(RunIdentityTest, IsAnotherWhenSomethingThatShapesTheWeightsDoes) {
  const std::string before = id(kPretrain);
  for (const auto& [from, to] : std::initializer_list<std::pair<const char*, const char*>>{
           {"limits:", "seed: 2\nlimits:"},
           {"width: 32", "width: 64"},
           {"learning_rate: 0.003", "learning_rate: 0.004"},
           {"vocabulary_size: 320", "vocabulary_size: 330"},
           {"sequences: 4", "sequences: 8"},
           {"validation_fraction: 0.2", "validation_fraction: 0.3"},
           {"limits:", "schedule: {shape: linear}\nlimits:"},
           {"limits:", "stability: {bad_steps: 9}\nlimits:"}}) {
    EXPECT_NE(id(replaced(kPretrain, from, to)), before) << to;
  }
  write_plain(folder / "text.txt", "some texT");
  EXPECT_NE(id(kPretrain), before);
}

TEST_F(RunIdentityTest, OfAnAdapterTheCoreItsTokenizerAndBothTextsCount) {
  const RunIdentity before = identity_in(folder.path(), kLora);
  EXPECT_EQ(id(std::string(kLora) + "lora: {base_model_name: core@2}\n"), before.id());
  for (const char* file :
       {"text.txt", "held.txt", "core/model.safetensors", "core/tokenizer.json"}) {
    const auto path = write_plain(folder / file, std::string("changed ") + file);
    const RunIdentity now = identity_in(folder.path(), kLora);
    EXPECT_NE(now.id(), before.id()) << file;
    SetUp();
  }
  EXPECT_EQ(id(kLora), before.id());
}

TEST_F(RunIdentityTest, SaysWhatIsDifferent) {
  const RunIdentity before = identity_in(folder.path(), kPretrain);
  write_plain(folder / "text.txt", "changed");
  const RunIdentity now = identity_in(
      folder.path(), replaced(kPretrain, "learning_rate: 0.003", "learning_rate: 0.01") +
                         "schedule: {warmup_steps: 5}\n");
  EXPECT_THAT(differences(before, now),
              ElementsAre("what data.paths leads to has changed",
                          "optimizer.learning_rate was 0.003 and is 0.01",
                          "schedule.warmup_fraction was 0.05 and is not given",
                          "schedule.warmup_steps was not given and is 5"));
  EXPECT_THAT(differences(now, now), IsEmpty());
}

TEST_F(RunIdentityTest, NamesTheFieldOfAPathThatIsNotThere) {
  fs::remove(folder / "held.txt");
  const Status missing =
      identify(parse_run_config(kLora, "run.yaml", folder.path()).value()).status();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr("data.validation_path"));
  EXPECT_THAT(missing.message(), HasSubstr("held.txt"));
}

TEST_F(RunIdentityTest, ComesBackFromJsonAndRefusesWhatIsNone) {
  const RunIdentity identity = identity_in(folder.path(), kPretrain);
  EXPECT_EQ(identity_from_json(identity_to_json(identity), "run").value(), identity);
  for (const char* text : {"{}", R"({"fields":{}})", R"({"fields":[],"inputs":{}})",
                           R"({"fields":{"a":1},"inputs":{}})"}) {
    const auto refused = identity_from_json(parse_json(text, "run").value(), "begun.json");
    EXPECT_EQ(refused.code(), Code::kCorrupt) << text;
    EXPECT_THAT(refused.status().message(), HasSubstr("begun.json"));
  }
}

}  // namespace
}  // namespace panal::recipe
