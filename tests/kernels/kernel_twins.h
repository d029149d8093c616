// What the tests of CUDA operations share: memory with a guard, and one way to run an operation on
// a device, by simulated threads or by its CPU twin.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/cuda/launch.h"
#include "tests/kernels/simulated_block.h"

namespace panal::kernels::cuda {

using Half = std::uint16_t;
enum class Backend { kSimulated, kDevice, kCpu };

// Memory that the backend's operations reach, with a guard behind the values.
template <typename T>
class Array {
 public:
  static constexpr std::size_t kGuard = 16;
  Array(Backend backend, std::vector<T> values) : backend_(backend), host_(std::move(values)) {
    count_ = host_.size();
    host_.resize(count_ + kGuard);
    std::memset(static_cast<void*>(host_.data() + count_), 0x5A, kGuard * sizeof(T));
    if (backend_ != Backend::kDevice) return;
    device_ = static_cast<T*>(allocate(host_.size() * sizeof(T)));
    copy_to_device(device_, host_.data(), host_.size() * sizeof(T));
  }
  ~Array() {
    if (device_ != nullptr) release(device_);
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  T* pointer() { return device_ != nullptr ? device_ : host_.data(); }
  std::vector<T> read() {
    if (device_ != nullptr) copy_to_host(host_.data(), device_, host_.size() * sizeof(T));
    const std::vector<unsigned char> intact(kGuard * sizeof(T), 0x5A);
    EXPECT_EQ(std::memcmp(host_.data() + count_, intact.data(), intact.size()), 0)
        << "wrote behind the end";
    return {host_.begin(), host_.begin() + static_cast<std::ptrdiff_t>(count_)};
  }

 private:
  Backend backend_;
  std::size_t count_ = 0;
  std::vector<T> host_;
  T* device_ = nullptr;
};

/// Operations without a CPU kernel of ours.
template <typename Operation>
bool cpu_twin(const Operation&) {
  return false;
}

inline std::uint64_t test_seed() {
  const char* const given = std::getenv("PANAL_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 17;
}

class Twins : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    RecordProperty("seed", std::to_string(test_seed()));
    if (GetParam() == Backend::kDevice && !device_answers()) GTEST_SKIP() << why_no_device();
  }
  // False where the backend has no such operation.
  template <typename Operation>
  bool run(const Operation& op) {
    if (GetParam() == Backend::kCpu) return cpu_twin(op);
    if (GetParam() == Backend::kDevice) {
      launch(op, nullptr);
    } else {
      simulate(op, test_seed());
    }
    return true;
  }
  std::vector<float> random(std::int64_t count, double spread = 1.0) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(rng_.normal() * spread);
    return values;
  }
  template <typename T>
  Array<T> array(std::vector<T> values) {
    return Array<T>(GetParam(), std::move(values));
  }
  template <typename T>
  Array<T> empty(std::int64_t count) {
    return Array<T>(GetParam(), std::vector<T>(static_cast<std::size_t>(count)));
  }
  Rng rng_{test_seed()};
};

inline std::string backend_name(const testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::kCpu      ? "cpu"
         : info.param == Backend::kDevice ? "cuda"
                                          : "simulated";
}
template <typename Value>
std::vector<Value> stored_as(const std::vector<float>& values) {
  std::vector<Value> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) set_float(result[i], values[i]);
  return result;
}
template <typename Value>
std::vector<double> doubles(const std::vector<Value>& values) {
  std::vector<double> result;
  for (const Value value : values) result.push_back(to_float(value));
  return result;
}
// float32 sums of up to some thousand terms, or the eight bits of bfloat16's mantissa.
template <typename Value>
void expect_near(const std::vector<Value>& found, const std::vector<double>& wanted,
                 const std::string& what) {
  ASSERT_EQ(found.size(), wanted.size()) << what;
  const double share = sizeof(Value) == 4 ? 3e-5 : 1.0 / 200;
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(to_float(found[i]), wanted[i], share * std::abs(wanted[i]) + share * 0.2)
        << what << " at " << i << ", seed " << test_seed();
}

}  // namespace panal::kernels::cuda
