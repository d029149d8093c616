#include "tensor/recorded_work.h"

#include <ATen/accelerator/Graph.h>

namespace panal::tensor {
namespace {

// The library chooses kernels and makes its workspaces in the first runs; neither may happen within
// a recording.
constexpr int kRunsBefore = 3;

}  // namespace

struct RecordedWork::Graph {
  at::accelerator::Graph graph;
};

RecordedWork::RecordedWork(const c10::Device& device, bool records)
    : records_(records && !device.is_cpu()) {}
RecordedWork::~RecordedWork() = default;

void RecordedWork::run(const std::function<void()>& work) {
  if (!records_ || times_run_ < kRunsBefore) {
    ++times_run_;
    work();
    return;
  }
  if (!graph_) {
    graph_ = std::make_unique<Graph>();
    // Other threads may copy from the device meanwhile: checkpoints do.
    graph_->graph.capture_begin({0, 0}, at::GraphCaptureMode::ThreadLocal);
    try {
      work();
    } catch (...) {
      graph_->graph.capture_end();
      forget();
      throw;
    }
    graph_->graph.capture_end();
  }
  graph_->graph.replay();
}

void RecordedWork::forget() {
  graph_.reset();
  times_run_ = 0;
}

}  // namespace panal::tensor
