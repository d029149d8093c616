// Work that a CUDA device does again and again over the same memory, captured once and replayed as
// one graph: thousands of launches then cost the host one call.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace panal::tensor {

/// Work for one device. On the CPU each run() calls the work; on a CUDA device the first three do,
/// the fourth captures it, and from then on what was captured is replayed. The device sees the same
/// operations each time; what the host does within the work happens four times in all.
///
/// The work must read its inputs from and leave its results in tensors that stay where they are,
/// and may not wait for the device (item(), copies to the host, nonzero()).
class CudaGraph {
 public:
  /// `captures` false: every run() calls the work.
  CudaGraph(const c10::Device& device, bool captures);
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  void run(const std::function<void()>& work);
  /// The next run() begins anew: the work is another one from now on.
  void reset();

 private:
  struct Graph;
  const bool captures_;
  int times_run_ = 0;
  std::unique_ptr<Graph> graph_;
};

}  // namespace panal::tensor
