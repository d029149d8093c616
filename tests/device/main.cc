// Every test of this program runs with the simulated device plugged in.
#include <gtest/gtest.h>

#include "tests/device/simulated_device.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const panal::kernels::cuda::SimulatedDevice device;
  return RUN_ALL_TESTS();
}
