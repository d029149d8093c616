#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/weights/weights_files.h"
#include "weights/safetensors.h"

namespace panal::weights {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string stored_bytes(const SafetensorsFile& file, std::string_view name) {
  const auto bytes = file.raw_bytes(name).value();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> names_of(std::span<const TensorInfo> tensors) {
  std::vector<std::string> names;
  for (const TensorInfo& info : tensors) names.push_back(info.name);
  return names;
}

// Rounding to half and bfloat16 gives PyTorch's bytes: ties, denormals, overflow and signed zeros
// included.
TEST(SafetensorsWriter, StoresTheBytesThatPyTorchStores) {
  const std::vector<float> values = floats_of(golden("safetensors.values.f32"));
  const std::vector<TensorToWrite> tensors = {
      {"b.half", {7, 9}, DataType::kF16, values},
      {"a.brain", {7, 9}, DataType::kBF16, values},
      {"c.float", {63}, DataType::kF32, values},
  };
  const ScratchFolder scratch;
  const auto path = scratch.path() / "out.safetensors";
  const Status status = write_safetensors(store::posix_file_system(), path, tensors);
  ASSERT_TRUE(status.ok()) << status.message();

  const SafetensorsFile file = SafetensorsFile::open(path).value();
  for (const std::string name : {"b.half", "a.brain", "c.float"}) {
    EXPECT_EQ(stored_bytes(file, name), bytes_of(golden("stored." + name))) << name;
  }
  EXPECT_EQ(file.metadata().at("format"), "pt");
  // Wide types first, so that each tensor is aligned for readers that view it in place.
  EXPECT_THAT(names_of(file.tensors()), ElementsAre("c.float", "b.half", "a.brain"));
  EXPECT_EQ(file.tensors()[0].offset_bytes % 8, 0U);
}

TEST(SafetensorsWriter, RoundsEveryHalfBackToItself) {
  std::string header = R"({"x":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]}})";
  ByteBuilder data;
  for (std::uint32_t half = 0; half < 65536; ++half) {
    const bool is_nan = (half & 0x7C00) == 0x7C00 && (half & 0x3FF) != 0;
    data.add(static_cast<std::uint16_t>(is_nan ? 0 : half));
  }
  const ScratchFolder scratch;
  const auto path = scratch.write("in.safetensors", safetensors_bytes(header, data.bytes()));
  const std::vector<float> values = read_all(SafetensorsFile::open(path).value(), "x");
  const std::vector<TensorToWrite> tensors = {{"x", {65536}, DataType::kF16, values}};
  const auto again = scratch.path() / "again.safetensors";
  ASSERT_TRUE(write_safetensors(store::posix_file_system(), again, tensors).ok());
  EXPECT_EQ(stored_bytes(SafetensorsFile::open(again).value(), "x"), data.bytes());
}

TEST(SafetensorsWriter, KeepsNotANumberAndInfinity) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {nan, infinity, -infinity, 1e30F};
  const std::vector<TensorToWrite> tensors = {{"h", {4}, DataType::kF16, values},
                                              {"b", {4}, DataType::kBF16, values}};
  const ScratchFolder scratch;
  const auto path = scratch.path() / "out.safetensors";
  ASSERT_TRUE(write_safetensors(store::posix_file_system(), path, tensors).ok());
  const SafetensorsFile file = SafetensorsFile::open(path).value();
  EXPECT_THAT(read_all(file, "h"), ElementsAre(testing::IsNan(), infinity, -infinity, infinity));
  EXPECT_THAT(read_all(file, "b"),
              ElementsAre(testing::IsNan(), infinity, -infinity, testing::Lt(infinity)));
}

TEST(SafetensorsWriter, GivesEqualBytesForEqualInput) {
  const std::vector<float> values(300'000, 0.25F);  // More than one piece of conversion.
  const std::vector<TensorToWrite> tensors = {
      {"b", {300, 1000}, DataType::kBF16, values},
      {"\"quoted\"\n", {2}, DataType::kF32, std::span(values).first(2)}};
  const ScratchFolder scratch;
  for (const std::string name : {"1", "2"}) {
    ASSERT_TRUE(write_safetensors(store::posix_file_system(), scratch.path() / name, tensors).ok());
  }
  EXPECT_EQ(bytes_of(scratch.path() / "1"), bytes_of(scratch.path() / "2"));
  const SafetensorsFile file = SafetensorsFile::open(scratch.path() / "1").value();
  EXPECT_EQ(read_all(file, "b"), values);
  EXPECT_NE(file.find("\"quoted\"\n"), nullptr);
}

TEST(SafetensorsWriter, StoresOtherTypesAsTheirBytes) {
  const std::vector<std::int64_t> ids = {1, -2, 3};
  TensorInfo info;
  info.name = "ids";
  info.shape = {3};
  info.type = DataType::kI64;
  const ScratchFolder scratch;
  const auto path = scratch.path() / "out.safetensors";
  {
    auto writer = SafetensorsWriter::create(store::posix_file_system(), path, {info}, {}).value();
    EXPECT_EQ(writer.write("ids", std::vector<float>(3)).code(), Code::kInvalidArgument);
    ASSERT_TRUE(writer.write_bytes("ids", std::as_bytes(std::span(ids))).ok());
    ASSERT_TRUE(writer.finish().ok());
  }
  const SafetensorsFile file = SafetensorsFile::open(path).value();
  EXPECT_EQ(std::memcmp(file.raw_bytes("ids")->data(), ids.data(), 24), 0);
  EXPECT_TRUE(file.metadata().empty());
}

TEST(SafetensorsWriter, RefusesWhatDoesNotFitItsPlan) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "out.safetensors";
  const std::vector<float> three(3);
  const auto refusal = [&](const std::vector<TensorToWrite>& tensors) {
    return write_safetensors(store::posix_file_system(), path, tensors);
  };
  EXPECT_THAT(refusal({{"x", {2}, DataType::kF32, three}}).message(),
              HasSubstr("has 2 values, but 3"));
  EXPECT_THAT(
      refusal({{"x", {3}, DataType::kF32, three}, {"x", {3}, DataType::kF32, three}}).message(),
      HasSubstr("two tensors of one name"));
  EXPECT_THAT(refusal({{"x", {3}, DataType::kQ4_0, three}}).message(),
              HasSubstr("plain types only"));
  EXPECT_THAT(refusal({{"x", {-3}, DataType::kF32, three}}).message(),
              HasSubstr("is not possible"));
  EXPECT_EQ(scratch.num_entries(), 0U);
}

TEST(SafetensorsWriter, LeavesNothingWhenItIsNotFinished) {
  const ScratchFolder scratch;
  TensorInfo info;
  info.name = "x";
  info.shape = {2};
  {
    auto writer =
        SafetensorsWriter::create(store::posix_file_system(), scratch.path() / "out", {info})
            .value();
    EXPECT_EQ(writer.finish().code(), Code::kInvalidArgument);
    EXPECT_EQ(writer.write("y", std::vector<float>(2)).code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(scratch.num_entries(), 0U);
}

/// The machine's disk, but after `room_bytes` bytes it is full.
class FullDisk final : public store::FileSystem {
 public:
  explicit FullDisk(std::size_t room_bytes) : room_bytes_(room_bytes) {}

  Result<std::unique_ptr<store::OutputFile>> create(const std::filesystem::path& path,
                                                    unsigned permissions) override {
    PANAL_ASSIGN(auto file, real_.create(path, permissions));
    return std::unique_ptr<store::OutputFile>(std::make_unique<File>(std::move(file), room_bytes_));
  }
  Result<std::unique_ptr<store::OutputFile>> append(const std::filesystem::path& path) override {
    return real_.append(path);
  }
  Result<std::unique_ptr<store::OutputFile>> open_stream(
      const std::filesystem::path& path) override {
    return real_.open_stream(path);
  }
  Result<std::unique_ptr<store::OutputFile>> open_descriptor(
      int descriptor, const std::filesystem::path& name) override {
    return real_.open_descriptor(descriptor, name);
  }
  Status copy_ownership(const std::filesystem::path& from,
                        const std::filesystem::path& to) override {
    return real_.copy_ownership(from, to);
  }
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return real_.rename(from, to);
  }
  Status remove(const std::filesystem::path& path) override { return real_.remove(path); }
  Status make_directory(const std::filesystem::path& path, unsigned permissions) override {
    return real_.make_directory(path, permissions);
  }
  Status sync_directory(const std::filesystem::path& path) override {
    return real_.sync_directory(path);
  }
  Status link(const std::filesystem::path& existing, const std::filesystem::path& name) override {
    return real_.link(existing, name);
  }
  Status touch(const std::filesystem::path& path) override { return real_.touch(path); }

 private:
  class File final : public store::OutputFile {
   public:
    File(std::unique_ptr<store::OutputFile> real, std::size_t& room_bytes)
        : real_(std::move(real)), room_bytes_(room_bytes) {}
    Status write(std::string_view bytes) override {
      if (bytes.size() > room_bytes_) return Status(Code::kResourceExhausted, "disk full");
      room_bytes_ -= bytes.size();
      return real_->write(bytes);
    }
    Status sync() override { return real_->sync(); }
    Status close() override { return real_->close(); }

   private:
    std::unique_ptr<store::OutputFile> real_;
    std::size_t& room_bytes_;
  };
  store::FileSystem& real_ = store::posix_file_system();
  std::size_t room_bytes_;
};

// However early the disk is full, the old file stays whole and nothing else is left.
TEST(SafetensorsWriter, LeavesTheOldFileWhenTheDiskIsFull) {
  const std::vector<float> values(1000, 1.0F);
  const std::vector<TensorToWrite> tensors = {{"x", {1000}, DataType::kF32, values},
                                              {"y", {1000}, DataType::kF16, values}};
  const ScratchFolder scratch;
  const auto path = scratch.write("out.safetensors", "old");
  for (const std::size_t room_bytes : {0, 8, 100, 2000, 5000}) {
    FullDisk disk(room_bytes);
    EXPECT_EQ(write_safetensors(disk, path, tensors).code(), Code::kResourceExhausted)
        << room_bytes;
    EXPECT_EQ(bytes_of(path), "old");
    EXPECT_EQ(scratch.num_entries(), 1U);
  }
  FullDisk disk(10'000);
  EXPECT_TRUE(write_safetensors(disk, path, tensors).ok());
  EXPECT_TRUE(SafetensorsFile::open(path).ok());
}

}  // namespace
}  // namespace panal::weights
