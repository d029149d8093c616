// Work that a CUDA device does again and again over the same memory, recorded once and replayed as
// one graph: thousands of launches then cost the host one call.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace panal::tensor {

/// Work for one device. On the CPU each run() calls the work; on a CUDA device the first three do,
/// the fourth records it, and from then on what was recorded is replayed. The device sees the same
/// operations each time; what the host does within the work happens four times in all.
///
/// The work must read its inputs from and leave its results in tensors that stay where they are,
/// and may not wait for the device (item(), copies to the host, nonzero()).
class RecordedWork {
 public:
  /// `records` false: every run() calls the work.
  RecordedWork(const c10::Device& device, bool records);
  ~RecordedWork();
  RecordedWork(const RecordedWork&) = delete;
  RecordedWork& operator=(const RecordedWork&) = delete;

  void run(const std::function<void()>& work);
  /// The next run() begins anew: the work is another one from now on.
  void forget();

 private:
  struct Graph;
  const bool records_;
  int times_run_ = 0;
  std::unique_ptr<Graph> graph_;
};

}  // namespace panal::tensor
