#include "tensor/cuda_graph.h"

#include <ATen/accelerator/Graph.h>

namespace panal::tensor {
namespace {

// The library chooses kernels and makes its workspaces in the first runs; neither may happen within
// a recording.
constexpr int kRunsBefore = 3;

}  // namespace

struct CudaGraph::Graph {
  at::accelerator::Graph graph;
};

CudaGraph::CudaGraph(const c10::Device& device, bool captures)
    : captures_(captures && !device.is_cpu()) {}
CudaGraph::~CudaGraph() = default;

void CudaGraph::run(const std::function<void()>& work) {
  if (!captures_ || times_run_ < kRunsBefore) {
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
      reset();
      throw;
    }
    graph_->graph.capture_end();
  }
  graph_->graph.replay();
}

void CudaGraph::reset() {
  graph_.reset();
  times_run_ = 0;
}

}  // namespace panal::tensor
