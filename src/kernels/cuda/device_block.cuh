// A block of threads on a device, and the kernel that runs a body on it.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <mma.h>

#include <string>

#include "kernels/cuda/block.h"
#include "kernels/cuda/launch.h"

namespace panal::kernels::cuda {

/// Throws Error with the device's words when `error` is none of success; `doing` says at what.
void require_success(cudaError_t error, const char* doing);

extern __shared__ __align__(128) unsigned char shared_memory[];

class DeviceBlock {
 public:
  using Left = nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 16, __nv_bfloat16,
                                      nvcuda::wmma::row_major>;
  using Right = nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 16, __nv_bfloat16,
                                       nvcuda::wmma::col_major>;
  using Accumulator = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float>;

  __device__ int thread() const { return static_cast<int>(threadIdx.x); }
  __device__ int threads() const { return static_cast<int>(blockDim.x); }
  __device__ std::int64_t index() const { return blockIdx.x; }
  __device__ std::int64_t blocks() const { return gridDim.x; }
  __device__ void barrier() { __syncthreads(); }
  __device__ void warp_barrier() { __syncwarp(); }
  __device__ float shuffle_xor(float value, int mask) {
    return __shfl_xor_sync(0xFFFFFFFFu, value, mask);
  }
  __device__ unsigned char* shared() { return shared_memory; }

  __device__ void clear(Accumulator& sum) { nvcuda::wmma::fill_fragment(sum, 0.0f); }
  template <typename Fragment>
  __device__ void read(Fragment& fragment, const std::uint16_t* from, int apart) {
    nvcuda::wmma::load_matrix_sync(fragment, reinterpret_cast<const __nv_bfloat16*>(from), apart);
  }
  __device__ void multiply(Accumulator& sum, const Left& left, const Right& right) {
    nvcuda::wmma::mma_sync(sum, left, right, sum);
  }
  __device__ void write(float* to, const Accumulator& sum, int apart) {
    nvcuda::wmma::store_matrix_sync(to, sum, apart, nvcuda::wmma::mem_row_major);
  }
};

template <typename Operation>
__global__ void run(const Operation operation) {
  DeviceBlock block;
  body(block, operation);
}

template <typename Operation>
void launch(const Operation& operation, void* stream) {
  const Geometry shape = geometry(operation);
  if (shape.blocks == 0) return;
  constexpr std::int64_t kWithoutAsking = 48 << 10;  // Bytes a block may have by default.
  const auto shared_bytes = static_cast<int>(shape.shared_bytes);
  if (shape.shared_bytes > kWithoutAsking) {
    require_success(cudaFuncSetAttribute(run<Operation>,
                                         cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes),
                    "asking for shared memory");
  }
  run<Operation>
      <<<static_cast<unsigned>(shape.blocks), static_cast<unsigned>(shape.threads),
         static_cast<std::size_t>(shared_bytes), static_cast<cudaStream_t>(stream)>>>(operation);
  require_success(cudaGetLastError(), "launching a kernel");
}

}  // namespace panal::kernels::cuda

#define PANAL_LAUNCH(...) template void launch(const __VA_ARGS__&, void*);
