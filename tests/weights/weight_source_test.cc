#include "weights/weight_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/weights/weights_files.h"

namespace panal::weights {
namespace {

using testing::HasSubstr;

constexpr std::string_view kHeader = R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

std::string one_tensor(float first, float second) {
  return safetensors_bytes(kHeader, ByteBuilder().add(first).add(second).bytes());
}

TEST(WeightSource, ReadsEitherKindOfFileInTheSameWay) {
  for (const std::string name : {"every_type.gguf", "every_type.safetensors"}) {
    const WeightSource source = open_weights(golden(name)).value();
    for (const TensorInfo& info : source.tensors()) {
      EXPECT_EQ(source.find(info.name)->name, info.name);
      EXPECT_EQ(source.raw_bytes(info.name)->size(), info.data_bytes);
      std::vector<float> values(static_cast<std::size_t>(info.num_elements));
      EXPECT_EQ(source.read_float32(info.name, values).ok(), is_readable_as_float32(info.type))
          << info.name;
    }
    EXPECT_EQ(source.gguf() != nullptr, name == "every_type.gguf");
    EXPECT_EQ(source.find("none"), nullptr);
  }
}

TEST(WeightSource, OpensFoldersOfEitherKind) {
  const ScratchFolder gguf;
  gguf.write("m.gguf", gguf_bytes({}));
  gguf.write("README.md", "a model");
  EXPECT_EQ(open_weights(gguf.path())->tensors().size(), 2U);
  const ScratchFolder single;
  single.write("model.safetensors", one_tensor(1, 2));
  single.write("config.json", "{}");
  EXPECT_EQ(read_all(open_weights(single.path()).value(), "x")[1], 2.0F);
}

// Two models in one folder: panal asks which, it does not choose.
TEST(WeightSource, RefusesAFolderThatCouldMeanTwoModels) {
  const ScratchFolder scratch;
  scratch.write("a.gguf", gguf_bytes({}));
  scratch.write("model.safetensors", one_tensor(1, 2));
  const auto both = open_weights(scratch.path());
  EXPECT_EQ(both.code(), Code::kInvalidArgument);
  EXPECT_THAT(both.status().message(), HasSubstr("a.gguf and model.safetensors"));
  std::filesystem::remove(scratch.path() / "model.safetensors");
  scratch.write("b.gguf", gguf_bytes({}));
  EXPECT_THAT(open_weights(scratch.path()).status().message(), HasSubstr("a.gguf and b.gguf"));
}

TEST(WeightSource, RefusesPicklesAndSaysWhatToDo) {
  const ScratchFolder scratch;
  const auto pickle = scratch.write("pytorch_model.bin", "\x80\x02");
  for (const auto& path : {pickle, scratch.path()}) {
    const auto opened = open_weights(path);
    EXPECT_EQ(opened.code(), Code::kUnsupported);
    EXPECT_THAT(opened.status().message(), HasSubstr("convert it to safetensors"));
  }
}

TEST(WeightSource, SaysWhatItExpectedInAnEmptyFolder) {
  const ScratchFolder scratch;
  EXPECT_EQ(open_weights(scratch.path()).code(), Code::kNotFound);
  EXPECT_THAT(open_weights(scratch.path()).status().message(), HasSubstr("expected one *.gguf"));
  EXPECT_EQ(open_weights(scratch.path() / "none").code(), Code::kNotFound);
  EXPECT_EQ(open_weights(scratch.write("notes.txt", "")).code(), Code::kUnsupported);
}

TEST(WeightSource, FindsAValueThatIsNotFinite) {
  const ScratchFolder scratch;
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    const auto path = scratch.write("bad.safetensors", one_tensor(1.0F, bad));
    const Status status = check_all_finite(open_weights(path).value());
    EXPECT_EQ(status.code(), Code::kCorrupt);
    EXPECT_THAT(status.message(), HasSubstr("tensor x: expected finite values"));
    EXPECT_THAT(status.message(), HasSubstr("at index 1"));
  }
  const auto path = scratch.write("good.safetensors", one_tensor(-3e38F, 1e-45F));
  EXPECT_TRUE(check_all_finite(open_weights(path).value()).ok());
}

TEST(WeightSource, FiniteCheckRefusesTypesItCannotRead) {
  EXPECT_EQ(check_all_finite(open_weights(golden("every_type.gguf")).value()).code(),
            Code::kUnsupported);
  const Status integers = check_all_finite(open_weights(golden("every_type.safetensors")).value());
  EXPECT_THAT(integers.message(), HasSubstr("a.f16"));  // The golden's 65520 is infinity as F16.
}

}  // namespace
}  // namespace panal::weights
