#include <cuda_runtime.h>

#include "base/error.h"
#include "kernels/cuda/device_block.cuh"

namespace panal::kernels::cuda {

void require_success(cudaError_t error, const char* doing) {
  if (error == cudaSuccess) return;
  throw Error(Code::kUnavailable,
              std::string("CUDA failed while ") + doing + ": " + cudaGetErrorString(error));
}

std::string why_no_device() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess)
    return std::string("no CUDA device answers: ") + cudaGetErrorString(error);
  if (count == 0) return "this machine has no CUDA device";
  int major = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  if (major < 8)
    return "the CUDA kernels need compute capability 8.0, the device has " + std::to_string(major);
  return "";
}
bool runs_on_host_memory() { return false; }
std::string device_name() {
  int device = 0;
  cudaDeviceProp properties;
  if (cudaGetDevice(&device) != cudaSuccess) return "";
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) return "";
  return properties.name;
}
int compute_capability() {
  int device = 0, major = 0, minor = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
  return 10 * major + minor;
}
bool device_answers() { return why_no_device().empty(); }

void* allocate(std::size_t bytes) {
  void* memory = nullptr;
  require_success(cudaMalloc(&memory, bytes), "allocating device memory");
  return memory;
}
void release(void* memory) { cudaFree(memory); }
void copy_to_device(void* to, const void* from, std::size_t bytes) {
  require_success(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "copying to the device");
}
void copy_to_host(void* to, const void* from, std::size_t bytes) {
  require_success(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "copying from the device");
}

}  // namespace panal::kernels::cuda
