// Two ranks on two CUDA devices, where two answer: what goes from device to device by NCCL against
// the same through the host's memory. What no simulation shows: streams, and NCCL itself.
#include <gtest/gtest.h>

#include "tensor/device.h"
#include "tests/train/toy_ranks.h"
#include "tests/train/toy_run.h"

namespace panal::train {
namespace {

// Two terms have one sum, whatever adds them up.
TEST(CudaExchange, TrainsAsThroughTheHostToTheBitAndRepeats) {
  const std::string reason = tensor::why_not_trained_on("cuda", 2);
  if (!reason.empty()) GTEST_SKIP() << "the device " << reason;
  for (const std::string more :
       {"precision: fp32\n", "precision: bf16\nmemory: {weights: bf16, states: host}\n"}) {
    TestFolder folder("cuda_exchange");
    std::vector<std::string> models;
    for (const std::string exchange : {"auto", "auto", "host"}) {
      const auto config =
          toy_config(folder.path(),
                     toy_yaml() + "device: cuda\nparallel: {processes: 2, exchange: " + exchange +
                         "}\n" + more,
                     "run" + std::to_string(models.size()));
      RecordingEvents events;
      for (const Status& outcome : run_on_ranks(config, events)) {
        ASSERT_TRUE(outcome.ok()) << outcome.message();
      }
      const bool is_host = events.messages.find("through the host") != std::string::npos;
      if (exchange == "auto" && is_host) GTEST_SKIP() << "this build has no NCCL";
      EXPECT_EQ(is_host, exchange == "host");
      models.push_back(read_text(config.run_directory / "model/model.safetensors"));
    }
    EXPECT_EQ(models[0], models[1]);
    EXPECT_EQ(models[0], models[2]);
  }
}

}  // namespace
}  // namespace panal::train
