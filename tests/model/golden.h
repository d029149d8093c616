// Reading what tools/goldens/model.py wrote.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>
#include <map>
#include <string>

#include "tensor/named_tensor.h"
#include "tensor/tensor_file.h"
#include "tests/store/temporary_folder.h"

namespace panal::model::test {

inline std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(PANAL_TEST_DIR) / "golden" / "model" / name;
}

inline std::map<std::string, at::Tensor> read_golden(const std::filesystem::path& path) {
  std::map<std::string, at::Tensor> tensors;
  auto loaded = tensor::load_tensors(path);
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  if (!loaded.ok()) return tensors;
  for (auto& named : *loaded) tensors.emplace(named.name, named.value);
  return tensors;
}

/// The largest difference, in units of the larger of 1 and the golden's own largest value.
inline double worst(const at::Tensor& found, const at::Tensor& wanted) {
  if (found.sizes() != wanted.sizes()) return 1e30;
  const double scale = std::max(1e-3, wanted.abs().max().item<double>());
  return (found.detach() - wanted).abs().max().item<double>() / scale;
}

using panal::test::TemporaryFolder;

}  // namespace panal::model::test
