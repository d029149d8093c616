#include "weights/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/weights/weights_files.h"

namespace panal::weights {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

GgufFile open_golden() { return GgufFile::open(golden("every_type.gguf")).value(); }

class GgufType : public testing::TestWithParam<std::string> {};

// Each type comes out with exactly the bits that llama.cpp's own Python package computes.
TEST_P(GgufType, DecodesAsTheGgufPackageDoes) {
  const GgufFile file = open_golden();
  const TensorInfo* info = file.find("tensor." + GetParam());
  ASSERT_NE(info, nullptr);
  EXPECT_THAT(info->shape, ElementsAre(5, 96));
  EXPECT_EQ(data_type_name(info->type), GetParam());
  EXPECT_EQ(bits_of(read_all(file, info->name)),
            bits_of(floats_of(golden(GetParam() + ".values.f32"))));
}

INSTANTIATE_TEST_SUITE_P(Every, GgufType,
                         testing::Values("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1",
                                         "Q8_0"),
                         [](const auto& info) { return info.param; });

TEST(Gguf, GivesShapesOutermostFirst) {
  const GgufFile file = open_golden();
  EXPECT_THAT(file.find("tensor.cube")->shape, ElementsAre(2, 3, 4));
  EXPECT_EQ(read_all(file, "tensor.cube")[23], 23.0F);
}

TEST(Gguf, GivesTypedMetadata) {
  const GgufFile file = open_golden();
  EXPECT_EQ(file.string("general.architecture").value(), "llama");
  EXPECT_EQ(file.integer("test.uint32").value(), 7);
  EXPECT_EQ(file.integer("test.int64").value(), -(std::int64_t{1} << 40));
  EXPECT_EQ(file.number("test.float32").value(), 1.5);
  EXPECT_EQ(file.number("test.float64").value(), 0.1);
  EXPECT_EQ(file.number("test.uint32").value(), 7.0);
  EXPECT_TRUE(file.boolean("test.bool").value());
  EXPECT_EQ(file.string("test.string").value(), "gr\u00fc\u00df dich");
  EXPECT_THAT(file.strings("test.strings").value(), ElementsAre("a", "", "\u4e2d\u6587"));
  EXPECT_THAT(file.integers("test.integers").value(), ElementsAre(3, -4, 5));
  EXPECT_THAT(file.numbers("test.numbers").value(), ElementsAre(0.5F, -2.0F));
  EXPECT_EQ(file.array_length("test.strings").value(), 3);
  EXPECT_THAT(file.keys(), testing::Contains("test.bool"));
}

TEST(Gguf, TellsAMissingKeyFromAWrongType) {
  const GgufFile file = open_golden();
  EXPECT_FALSE(file.has("test.absent"));
  EXPECT_EQ(file.string("test.absent").code(), Code::kNotFound);
  EXPECT_EQ(file.string("test.uint32").code(), Code::kInvalidArgument);
  EXPECT_THAT(file.string("test.uint32").status().message(),
              HasSubstr("must be a string, found uint32"));
  EXPECT_EQ(file.integer("test.uint64_large").code(), Code::kInvalidArgument);
  EXPECT_EQ(file.integers("test.strings").code(), Code::kInvalidArgument);
  EXPECT_EQ(file.strings("test.string").code(), Code::kInvalidArgument);
  EXPECT_EQ(file.boolean("test.uint32").code(), Code::kInvalidArgument);
}

TEST(Gguf, StringViewsOutliveAMoveOfTheFile) {
  GgufFile first = open_golden();
  const auto views = first.string_views("test.strings").value();
  const GgufFile second = std::move(first);
  EXPECT_EQ(views[2], "\u4e2d\u6587");
}

// A K-quantised tensor can be listed and its bytes taken, but not read: the error names tensor and
// type.
TEST(Gguf, NamesTheTypeItCannotDecode) {
  const GgufFile file = open_golden();
  std::vector<float> values(512);
  const Status status = file.read_float32("tensor.Q4_K", values);
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("tensor tensor.Q4_K is stored as Q4_K"));
  EXPECT_EQ(file.raw_bytes("tensor.Q4_K")->size(), 288U);
  EXPECT_EQ(file.read_float32("tensor.I32", values).code(), Code::kUnsupported);
}

TEST(Gguf, RefusesTheWrongRoomAndUnknownNames) {
  const GgufFile file = open_golden();
  std::vector<float> values(3);
  EXPECT_EQ(file.read_float32("tensor.F32", values).code(), Code::kInvalidArgument);
  EXPECT_EQ(file.read_float32("tensor.none", values).code(), Code::kNotFound);
  EXPECT_EQ(file.raw_bytes("tensor.none").code(), Code::kNotFound);
  EXPECT_EQ(file.find("tensor.none"), nullptr);
}

TEST(Gguf, OpensTheSmallestPlan) {
  const ScratchFolder scratch;
  for (const std::uint32_t version : {2U, 3U}) {
    const GgufFile file =
        GgufFile::open(scratch.write("small.gguf", gguf_bytes({.version = version}))).value();
    EXPECT_EQ(file.version(), version);
    EXPECT_EQ(file.tensors().size(), 2U);
    EXPECT_EQ(file.tensors()[1].data_bytes, 68U);
    EXPECT_EQ(read_all(file, "two").size(), 64U);
  }
}

struct Wrong {
  std::string what;  // Expected in the message.
  GgufPlan plan;
  Code code = Code::kCorrupt;
};

// One wrong field each; the message says which.
TEST(Gguf, RefusesWhatCannotBe) {
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  const std::vector<Wrong> all = {
      {"expected the letters GGUF", {.magic = 7}},
      {"version 1", {.version = 1}, Code::kUnsupported},
      {"big-endian", {.version = 0x03000000}, Code::kUnsupported},
      {"at most 65536 tensors", {.num_tensors = kHuge}},
      {"at most 1000000 metadata entries", {.num_keys = kHuge}},
      {"power of two", {.alignment = 0}},
      {"power of two", {.alignment = 48}},
      {"general.alignment as uint32", {.alignment_type = 6}},
      {"from 0 to 12", {.alignment_type = 13}},
      {"tensor one appears twice", {.second_name = "one"}},
      {"name of 1 to 1024 bytes", {.first_name = ""}},
      {"name of 1 to 1024 bytes", {.first_name = std::string(2000, 'x')}},
      {"at most 4 dimensions", {.num_dimensions = 5}},
      {"dimension of at least 1", {.inner = 0}},
      {"dimension of at least 1", {.inner = kHuge}},
      {"cannot have the shape", {.inner = 33}},
      {"cannot have the shape", {.inner = std::uint64_t{1} << 40, .outer = std::uint64_t{1} << 40}},
      {"more bytes than the file", {.outer = 1 << 20}},
      {"type number 77", {.type = 77}, Code::kUnsupported},
      {"multiple of 32", {.second_offset = 97}},
      {"overlap", {.second_offset = 64}},
      {"overlap", {.second_offset = 0}},
      {"the file ends at byte", {.second_offset = 128}},
      {"the file ends at byte", {.second_offset = kHuge - 31}},
      {"the file ends at byte", {.data_bytes = 100}},
  };
  const ScratchFolder scratch;
  for (const Wrong& wrong : all) {
    const auto opened = GgufFile::open(scratch.write("wrong.gguf", gguf_bytes(wrong.plan)));
    ASSERT_FALSE(opened.ok()) << wrong.what;
    EXPECT_EQ(opened.code(), wrong.code) << wrong.what;
    EXPECT_THAT(opened.status().message(), HasSubstr(wrong.what));
    EXPECT_THAT(opened.status().message(), HasSubstr("wrong.gguf: "));
  }
}

/// A file with one metadata entry and no tensors.
std::string with_value(std::string_view value) {
  ByteBuilder file;
  file.add<std::uint32_t>(0x46554747)
      .add<std::uint32_t>(3)
      .add<std::uint64_t>(0)
      .add<std::uint64_t>(1);
  return file.text("key").raw(value).bytes();
}

TEST(Gguf, RefusesMetadataLongerThanTheFile) {
  const ScratchFolder scratch;
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  const auto refused = [&](const ByteBuilder& value) {
    return GgufFile::open(scratch.write("long.gguf", with_value(value.bytes()))).status();
  };
  constexpr std::uint32_t kString = 8, kArray = 9, kFloat = 6;
  EXPECT_THAT(refused(ByteBuilder().add(kString).add(kHuge)).message(),
              HasSubstr("bytes are left"));
  EXPECT_THAT(refused(ByteBuilder().add(kArray).add(kFloat).add(kHuge / 4 + 2)).message(),
              HasSubstr("bytes are left"));
  EXPECT_THAT(refused(ByteBuilder().add(kArray).add(kString).add(kHuge / 8)).message(),
              HasSubstr("bytes are left"));
  EXPECT_THAT(refused(ByteBuilder().add(kString)).message(), HasSubstr("at byte"));
  ByteBuilder nested;
  nested.add(kArray);
  for (int depth = 0; depth < 1000; ++depth) nested.add(kArray).add<std::uint64_t>(1);
  EXPECT_THAT(refused(nested).message(), HasSubstr("nested deeper"));
}

TEST(Gguf, RefusesAKeyThatAppearsTwice) {
  ByteBuilder file;
  file.add<std::uint32_t>(0x46554747)
      .add<std::uint32_t>(3)
      .add<std::uint64_t>(0)
      .add<std::uint64_t>(2);
  for (int i = 0; i < 2; ++i) file.text("key").add<std::uint32_t>(0).add<std::uint8_t>(1);
  const ScratchFolder scratch;
  const auto opened = GgufFile::open(scratch.write("twice.gguf", file.bytes()));
  EXPECT_THAT(opened.status().message(), HasSubstr("key appears twice"));
}

TEST(Gguf, RefusesABooleanThatIsNeitherOf0And1) {
  const ScratchFolder scratch;
  const auto bytes = with_value(ByteBuilder().add<std::uint32_t>(7).add<std::uint8_t>(2).bytes());
  const GgufFile file = GgufFile::open(scratch.write("bool.gguf", bytes)).value();
  EXPECT_EQ(file.boolean("key").code(), Code::kCorrupt);
}

TEST(Gguf, RefusesEveryTruncationOfTheGolden) {
  const std::string whole = bytes_of(golden("every_type.gguf"));
  const ScratchFolder scratch;
  for (std::size_t length = 0; length < whole.size(); length += length < 2000 ? 7 : 101) {
    const auto opened =
        GgufFile::open(scratch.write("cut.gguf", std::string_view(whole).substr(0, length)));
    EXPECT_FALSE(opened.ok()) << "cut to " << length << " of " << whole.size() << " bytes";
  }
}

TEST(Gguf, SaysThatAFileIsMissing) {
  EXPECT_EQ(GgufFile::open(golden("none.gguf")).code(), Code::kNotFound);
}

}  // namespace
}  // namespace panal::weights
