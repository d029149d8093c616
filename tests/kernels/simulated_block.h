// A block of CUDA threads on the host: every thread is a fiber that runs until its next barrier, so
// the body that nvcc compiles for devices runs here step by step. The order of the threads is drawn
// anew at every turn: a body that lacks a barrier gives other numbers with another seed. Shared
// memory starts as NaN and is followed by a guard. A barrier that some threads never reach throws.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/cuda/block.h"

namespace panal::kernels::cuda {

class SimulatedBlock {
 public:
  // Fragments belong to a warp: its first thread holds all 256 numbers, the others nothing.
  struct Fragment {
    std::vector<float> numbers;
  };
  struct Left : Fragment {};
  struct Right : Fragment {};
  struct Accumulator : Fragment {};

  SimulatedBlock(const Geometry& shape, std::uint64_t seed);
  ~SimulatedBlock();
  /// Runs `thread_body` in every thread of block `index`. Throws std::runtime_error for a barrier
  /// that not all reach and for writes after the shared memory.
  void run(std::int64_t index, const std::function<void()>& thread_body);

  int thread() const;
  int threads() const;
  std::int64_t index() const;
  std::int64_t blocks() const;
  void barrier();
  void warp_barrier();
  float shuffle_xor(float value, int mask);
  unsigned char* shared();

  void clear(Accumulator& sum);
  void read(Left& fragment, const std::uint16_t* from, int apart);   // Row-major.
  void read(Right& fragment, const std::uint16_t* from, int apart);  // Column-major.
  void multiply(Accumulator& sum, const Left& left, const Right& right);
  void write(float* to, const Accumulator& sum, int apart);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Runs an operation whose pointers are host memory.
template <typename Operation>
void simulate(const Operation& operation, std::uint64_t seed) {
  const Geometry shape = geometry(operation);
  SimulatedBlock block(shape, seed);
  for (std::int64_t i = 0; i < shape.blocks; ++i) block.run(i, [&] { body(block, operation); });
}

}  // namespace panal::kernels::cuda
