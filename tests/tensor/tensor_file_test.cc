// What is saved comes back bit for bit; what does not fit is refused before anything changes.
#include "tensor/tensor_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "store/file_system.h"
#include "tensor/named_tensor.h"
#include "tests/store/temporary_folder.h"

namespace panal::tensor {
namespace {

class TensorFile : public testing::Test {
 protected:
  Status save(const std::vector<NamedTensor>& tensors) {
    return save_tensors(store::posix_file_system(), path_, tensors, {{"step", "12"}});
  }
  const test::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "state.safetensors";
};

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  return x.scalar_type() == y.scalar_type() && x.sizes() == y.sizes() &&
         std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

TEST_F(TensorFile, EveryTypeComesBackBitForBit) {
  const at::Tensor strange = at::tensor({0.0f, -0.0f, NAN, INFINITY, 1e-42f, 3.14f});
  const std::vector<NamedTensor> tensors = {
      {"f32", strange},
      {"bf16", at::randn({3, 4}).to(at::kBFloat16)},
      {"f16", at::randn({5}).to(at::kHalf)},
      {"i64", at::tensor(std::vector<std::int64_t>{-1, std::int64_t{1} << 60}, at::kLong)},
      {"u8", at::arange(7).to(at::kByte)},
      {"scalar", at::scalar_tensor(2.5)},
      {"transposed", at::randn({4, 6}).t()},
      {"empty", at::empty({0, 3})},
  };
  ASSERT_TRUE(save(tensors).ok());
  const auto loaded = value_or_throw(load_tensors(path_));
  ASSERT_EQ(loaded.size(), tensors.size());
  for (const NamedTensor& tensor : tensors) {
    const auto found = std::ranges::find(loaded, tensor.name, &NamedTensor::name);
    ASSERT_NE(found, loaded.end()) << tensor.name;
    EXPECT_TRUE(same_bits(found->value, tensor.value)) << tensor.name;
  }
}

TEST_F(TensorFile, LoadingIntoTensorsFillsThemAndRefusesWhatDoesNotFit) {
  const at::Tensor weight = at::randn({2, 3}), bias = at::randn({3});
  ASSERT_TRUE(save({{"weight", weight}, {"bias", bias}}).ok());
  std::vector<NamedTensor> targets = {{"bias", at::zeros({3})}, {"weight", at::zeros({2, 3})}};
  ok_or_throw(load_tensors_into(path_, targets));
  EXPECT_TRUE(at::equal(targets[0].value, bias));
  EXPECT_TRUE(at::equal(targets[1].value, weight));
  std::vector<NamedTensor> wrong[] = {
      {{"bias", at::zeros({3})}, {"weight", at::zeros({3, 2})}},
      {{"bias", at::zeros({3})}, {"weight", at::zeros({2, 3}, at::kDouble)}},
      {{"bias", at::zeros({3})}},
      {{"bias", at::zeros({3})}, {"weight", at::zeros({2, 3})}, {"more", at::zeros({1})}},
  };
  for (auto& set : wrong) {
    const Status status = load_tensors_into(path_, set);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
    EXPECT_EQ(set[0].value.abs().sum().item<float>(), 0.0f)
        << "changed before everything was checked";
  }
}

TEST_F(TensorFile, RefusesTwoTensorsOfOneNameAndTypesWithoutAForm) {
  EXPECT_EQ(save({{"a", at::zeros({1})}, {"a", at::zeros({1})}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(save({{"z", at::zeros({1}, at::kComplexFloat)}}).code(), Code::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(TensorFile, ATornFileIsRefused) {
  ASSERT_TRUE(save({{"a", at::randn({100})}}).ok());
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 3);
  EXPECT_EQ(load_tensors(path_).code(), Code::kCorrupt);
  EXPECT_EQ(load_tensors(folder_ / "none").code(), Code::kNotFound);
}

TEST_F(TensorFile, SpansAndTensorsMeet) {
  const std::vector<float> values = {1, 2, 3};
  const at::Tensor tensor = tensor_from(values);
  floats_of(tensor)[1] = 9;
  EXPECT_EQ(tensor[1].item<float>(), 9.0f);
  EXPECT_EQ(values[1], 2.0f);
  EXPECT_THROW(floats_of(at::zeros({2, 3}).t()), Error);
  const std::vector<std::int32_t> tokens = {5, 6};
  EXPECT_EQ(tokens_from(tokens).sum().item<std::int64_t>(), 11);
}

}  // namespace
}  // namespace panal::tensor
