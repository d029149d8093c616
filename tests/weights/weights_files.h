// Files for the tests of this room: goldens, a scratch folder, and builders that write GGUF and
// safetensors byte by byte, so that a test can put one wrong number exactly where it wants it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "weights/tensor_info.h"

namespace panal::weights {

inline std::filesystem::path golden(std::string_view name) {
  return std::filesystem::path(PANAL_TEST_DIR) / "golden" / "weights" / name;
}

inline std::filesystem::path smollm2() {
  return std::filesystem::path(PANAL_DEPS_DIR) / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<float> floats_of(const std::filesystem::path& path) {
  const std::string bytes = bytes_of(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

/// Bit patterns, so that -0.0 and 0.0 differ and equal NaN are equal.
inline std::vector<std::uint32_t> bits_of(std::span<const float> values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

/// All values of a tensor of any reader.
template <typename Reader>
std::vector<float> read_all(const Reader& reader, std::string_view name) {
  const TensorInfo* info = reader.find(name);
  if (info == nullptr) {
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  std::vector<float> values(static_cast<std::size_t>(info->num_elements));
  const Status status = reader.read_float32(name, values);
  EXPECT_TRUE(status.ok()) << status.message();
  return values;
}

/// A folder of its own for each test, removed at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    // In memory where there is such a place: the fuzz test writes thousands of files.
    std::error_code ignored;
    const bool has_memory =
        std::filesystem::is_directory("/dev/shm", ignored) && access("/dev/shm", W_OK) == 0;
    std::string pattern = has_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string();
    pattern += "/panal-weights-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(std::string_view name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }
  std::size_t num_entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_),
                                                  std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

/// Appends little-endian values.
class ByteBuilder {
 public:
  template <typename T>
  ByteBuilder& add(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  ByteBuilder& text(std::string_view text) {
    add<std::uint64_t>(text.size());
    bytes_ += text;
    return *this;
  }
  ByteBuilder& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  ByteBuilder& pad(std::size_t alignment) {
    bytes_.append((alignment - bytes_.size() % alignment) % alignment, '\0');
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// What a small GGUF file says of itself; tests change one field and expect a refusal.
struct GgufPlan {
  std::uint32_t magic = 0x46554747;
  std::uint32_t version = 3;
  std::uint64_t num_tensors = 2;
  std::uint64_t num_keys = 1;
  std::uint32_t alignment = 32;
  std::uint32_t alignment_type = 4;
  std::string first_name = "one";
  std::string second_name = "two";
  std::uint32_t num_dimensions = 2;
  std::uint64_t inner = 32;
  std::uint64_t outer = 2;
  std::uint32_t type = 8;  // Q8_0
  std::uint64_t second_offset = 96;
  std::size_t data_bytes = 96 + 68;
};

inline std::string gguf_bytes(const GgufPlan& plan) {
  ByteBuilder file;
  file.add(plan.magic).add(plan.version).add(plan.num_tensors).add(plan.num_keys);
  file.text("general.alignment").add(plan.alignment_type).add(plan.alignment);
  for (const bool is_second : {false, true}) {
    file.text(is_second ? plan.second_name : plan.first_name).add(plan.num_dimensions);
    file.add(plan.inner).add(plan.outer).add(plan.type);
    file.add<std::uint64_t>(is_second ? plan.second_offset : 0);
  }
  return file.pad(32).raw(std::string(plan.data_bytes, '\x01')).bytes();
}

/// A safetensors file from its header and its data.
inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return ByteBuilder().text(header).raw(data).bytes();
}

}  // namespace panal::weights
