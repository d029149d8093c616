#include "weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/weights/weights_files.h"
#include "weights/weight_source.h"

namespace panal::weights {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Safetensors, ReadsWhatThePythonPackageWrote) {
  const SafetensorsFile file = SafetensorsFile::open(golden("every_type.safetensors")).value();
  EXPECT_EQ(file.tensors().size(), 7U);
  EXPECT_EQ(file.metadata().at("note"), "gr\u00fc\u00df");
  EXPECT_THAT(file.find("a.f16")->shape, ElementsAre(7, 9));
  for (const std::string name : {"a.f16", "b.bf16", "d.f64"}) {
    EXPECT_EQ(bits_of(read_all(file, name)), bits_of(floats_of(golden(name + ".values.f32"))))
        << name;
  }
  EXPECT_EQ(bits_of(read_all(file, "c.f32")), bits_of(floats_of(golden("safetensors.values.f32"))));
  EXPECT_THAT(read_all(file, "f.scalar"), ElementsAre(2.5F));
  EXPECT_TRUE(file.find("f.scalar")->shape.empty());
  EXPECT_TRUE(read_all(file, "g.empty").empty());
}

TEST(Safetensors, ListsIntegersButDoesNotReadThemAsFloats) {
  const SafetensorsFile file = SafetensorsFile::open(golden("every_type.safetensors")).value();
  EXPECT_EQ(file.find("e.i64")->type, DataType::kI64);
  EXPECT_EQ(file.raw_bytes("e.i64")->size(), 32U);
  std::vector<float> values(4);
  EXPECT_EQ(file.read_float32("e.i64", values).code(), Code::kUnsupported);
  EXPECT_EQ(file.read_float32("none", values).code(), Code::kNotFound);
  EXPECT_EQ(file.read_float32("c.f32", values).code(), Code::kInvalidArgument);
}

TEST(Safetensors, ListsTypesItDoesNotKnow) {
  const ScratchFolder scratch;
  const auto path = scratch.write(
      "new.safetensors",
      safetensors_bytes(R"({"x":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}})", "abc"));
  const SafetensorsFile file = SafetensorsFile::open(path).value();
  std::vector<float> values(3);
  EXPECT_EQ(file.find("x")->type, DataType::kUnknown);
  EXPECT_THAT(file.read_float32("x", values).message(), HasSubstr("stored as F8_E4M3"));
}

struct Wrong {
  std::string what;  // Expected in the message.
  std::string header;
  std::string data = std::string(8, '\x01');
};

// One wrong thing each; the message says which.
TEST(Safetensors, RefusesWhatCannotBe) {
  const std::vector<Wrong> all = {
      {"begin with {", ""},
      {"begin with {", R"([1])"},
      {"breaks at its byte", R"({"x":)"},
      {"breaks at its byte", R"({} x)"},
      {"breaks at its byte", "{\"\xff\":1}"},
      {"the tensors take 0 bytes, but the file holds 8", R"({})"},
      {"cannot be", R"({"x":3})"},
      {"cannot be", R"({"x":[[]]})"},
      {"cannot be", R"({"x":{"dtype":"F32","shape":{},"data_offsets":[0,8]}})"},
      {"cannot be", R"({"x":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})"},
      {"cannot be", R"({"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})"},
      {"cannot be", R"({"x":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})"},
      {"cannot be", R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})"},
      {"cannot be", R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}})"},
      {"second", R"({"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})"},
      {"cannot be", R"({"__metadata__":{"format":{}}})"},
      {"appears twice", R"({"__metadata__":{},"__metadata__":{}})"},
      {"needs \"dtype\"", R"({"x":{"shape":[2],"data_offsets":[0,8]}})"},
      {"needs \"dtype\"", R"({"x":{"dtype":"F32","data_offsets":[0,8]}})"},
      {"needs \"dtype\"", R"({"x":{"dtype":"F32","shape":[2]}})"},
      {"needs \"dtype\"", R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})"},
      {"does not take the 8 bytes", R"({"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})"},
      {"too large",
       R"({"x":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}})"},
      {"the file holds only 8", R"({"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})"},
      {"starts at byte 4 of the data, but the one before ends at 0",
       R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"},
      {"starts at byte 0 of the data, but the one before ends at 8",
       R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("y":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"},
      {"\"x\" appears twice", R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                              R"("x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"},
      {"the tensors take 4 bytes, but the file holds 8",
       R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"},
  };
  const ScratchFolder scratch;
  for (const Wrong& wrong : all) {
    const auto path =
        scratch.write("wrong.safetensors", safetensors_bytes(wrong.header, wrong.data));
    const auto opened = SafetensorsFile::open(path);
    ASSERT_FALSE(opened.ok()) << wrong.header;
    EXPECT_EQ(opened.code(), Code::kCorrupt) << wrong.header;
    EXPECT_THAT(opened.status().message(), HasSubstr(wrong.what)) << wrong.header;
    EXPECT_THAT(opened.status().message(), HasSubstr("wrong.safetensors: "));
  }
}

TEST(Safetensors, RefusesAHeaderLongerThanTheFile) {
  const ScratchFolder scratch;
  for (const std::uint64_t claimed :
       {std::uint64_t{9}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    const auto path =
        scratch.write("long.safetensors", ByteBuilder().add(claimed).raw("{}").bytes());
    EXPECT_THAT(SafetensorsFile::open(path).status().message(), HasSubstr("the header claims"));
  }
  EXPECT_EQ(SafetensorsFile::open(scratch.write("empty.safetensors", "")).code(), Code::kCorrupt);
}

// What a checkout without git-lfs leaves behind is no broken file: the message says how to get it.
TEST(Safetensors, SaysHowToGetWhatIsAGitLfsPointer) {
  const ScratchFolder scratch;
  constexpr std::string_view kPointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 269060552\n";
  for (const char* name : {"model.safetensors", "model.gguf"}) {
    const auto opened = open_weights(scratch.write(name, kPointer));
    EXPECT_EQ(opened.code(), Code::kInvalidArgument);
    EXPECT_THAT(opened.status().message(),
                testing::AllOf(HasSubstr(name), HasSubstr("Git LFS pointer"),
                               HasSubstr("git lfs pull"), HasSubstr(scratch.path().string())));
  }
}

TEST(Safetensors, RefusesDeepNestingWithoutRecursion) {
  const ScratchFolder scratch;
  const auto path =
      scratch.write("deep.safetensors", safetensors_bytes(std::string(100'000, '{'), ""));
  EXPECT_EQ(SafetensorsFile::open(path).code(), Code::kCorrupt);
}

TEST(Safetensors, RefusesEveryTruncationOfTheGolden) {
  const std::string whole = bytes_of(golden("every_type.safetensors"));
  const ScratchFolder scratch;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto path = scratch.write("cut.safetensors", std::string_view(whole).substr(0, length));
    EXPECT_FALSE(SafetensorsFile::open(path).ok()) << "cut to " << length << " bytes";
  }
}

constexpr std::string_view kShardX = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
constexpr std::string_view kShardY = R"({"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
constexpr std::string_view kIndex =
    R"({"metadata":{},"weight_map":{"x":"1.safetensors","y":"2.safetensors"}})";
const std::string kTwo("\0\0\0\x40", 4);  // 2.0

void write_shards(const ScratchFolder& scratch) {
  scratch.write("1.safetensors", safetensors_bytes(kShardX, kTwo));
  scratch.write("2.safetensors", safetensors_bytes(kShardY, kTwo));
  scratch.write("model.safetensors.index.json", kIndex);
}

TEST(SafetensorsFolder, ReadsShardsAsOneModel) {
  const ScratchFolder scratch;
  write_shards(scratch);
  const SafetensorsFolder folder = SafetensorsFolder::open(scratch.path()).value();
  EXPECT_EQ(folder.num_files(), 2U);
  EXPECT_EQ(folder.tensors().size(), 2U);
  EXPECT_THAT(read_all(folder, "y"), ElementsAre(2.0F));
  EXPECT_EQ(folder.raw_bytes("x")->size(), 4U);
  EXPECT_EQ(folder.raw_bytes("z").code(), Code::kNotFound);
}

TEST(SafetensorsFolder, NamesAMissingShard) {
  const ScratchFolder scratch;
  write_shards(scratch);
  std::filesystem::remove(scratch.path() / "2.safetensors");
  const auto opened = SafetensorsFolder::open(scratch.path());
  EXPECT_EQ(opened.code(), Code::kNotFound);
  EXPECT_THAT(opened.status().message(), HasSubstr("the shard 2.safetensors is missing"));
}

TEST(SafetensorsFolder, NeverFollowsAnIndexOutOfTheFolder) {
  const ScratchFolder scratch;
  for (const std::string name : {"../1.safetensors", "/etc/passwd", "..", "", "a/b", "a\\\\b"}) {
    scratch.write("model.safetensors.index.json", R"({"weight_map":{"x":")" + name + R"("}})");
    const auto opened = SafetensorsFolder::open(scratch.path());
    EXPECT_EQ(opened.code(), Code::kCorrupt) << name;
    EXPECT_THAT(opened.status().message(), HasSubstr("must be a plain file name"));
  }
}

TEST(SafetensorsFolder, RefusesAnIndexThatDisagreesWithItsShards) {
  const ScratchFolder scratch;
  write_shards(scratch);
  const auto refusal = [&](std::string_view index) {
    scratch.write("model.safetensors.index.json", index);
    return SafetensorsFolder::open(scratch.path()).status();
  };
  EXPECT_THAT(refusal(R"({"weight_map":{"x":"2.safetensors","y":"2.safetensors"}})").message(),
              HasSubstr("x should be in 2.safetensors"));
  EXPECT_THAT(refusal(R"({"weight_map":{"z":"1.safetensors"}})").message(),
              HasSubstr("index says nothing"));
  EXPECT_THAT(refusal(R"({"weight_map":{}})").message(), HasSubstr("names no tensors"));
  EXPECT_THAT(refusal(R"({"weight_map":[]})").message(), HasSubstr("an object \"weight_map\""));
  EXPECT_THAT(refusal(R"({"weight_map":{"x":1}})").message(),
              HasSubstr("must be a plain file name"));
  EXPECT_THAT(refusal("{").message(), HasSubstr("expected a JSON object"));
}

TEST(SafetensorsFolder, RefusesTwoModelsInOneFolder) {
  const ScratchFolder scratch;
  write_shards(scratch);
  scratch.write("model.safetensors", safetensors_bytes(kShardX, kTwo));
  EXPECT_EQ(SafetensorsFolder::open(scratch.path()).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace panal::weights
