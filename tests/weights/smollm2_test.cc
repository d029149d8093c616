// The real model, as the gguf package sees it (tests/golden/weights/smollm2.json).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/json.h"
#include "tests/weights/weights_files.h"
#include "weights/weight_source.h"

namespace panal::weights {
namespace {

TEST(SmolLm2, ReadsAsTheGgufPackageDoes) {
  const Json wanted = parse_json(bytes_of(golden("smollm2.json")), "smollm2.json").value();
  const GgufFile file = GgufFile::open(smollm2()).value();
  EXPECT_EQ(file.tensors().size(), wanted["num_tensors"].get<std::size_t>());
  for (const auto& [name, tensor] : wanted["tensors"].items()) {
    ASSERT_NE(file.find(name), nullptr) << name;
    EXPECT_EQ(file.find(name)->shape, tensor["shape"].get<std::vector<std::int64_t>>());
    EXPECT_EQ(file.find(name)->type_name, tensor["type"].get<std::string>());
    Sha256 hash;
    const std::vector<float> values = read_all(file, name);
    hash.update(std::as_bytes(std::span(values)));
    EXPECT_EQ(hash.hex(), tensor["sha256"].get<std::string>()) << name;
  }
  const auto tokens = file.string_views("tokenizer.ggml.tokens").value();
  EXPECT_EQ(tokens.size(), wanted["num_tokens"].get<std::size_t>());
  EXPECT_EQ(tokens[1000], wanted["token_1000"].get<std::string>());
  EXPECT_EQ(file.array_length("tokenizer.ggml.merges").value(),
            wanted["merges"].get<std::int64_t>());
}

TEST(SmolLm2, HoldsOnlyFiniteValues) {
  const WeightSource source = open_weights(smollm2()).value();
  ASSERT_NE(source.gguf(), nullptr);
  const Status status = check_all_finite(source);
  EXPECT_TRUE(status.ok()) << status.message();
}

}  // namespace
}  // namespace panal::weights
