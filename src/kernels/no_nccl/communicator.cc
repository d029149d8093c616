// In the place of NCCL in a build without it: everything says so.
#include "kernels/cuda/communicator.h"

#include "base/error.h"

namespace panal::kernels::cuda {
namespace {

constexpr const char* kNotBuilt =
    "this panal was built without NCCL: build it with `cmake --preset gpu` against a PyTorch wheel "
    "that has it (docs/guides/gpu.md)";

[[noreturn]] void refuse() { throw Error(Code::kUnsupported, kNotBuilt); }

}  // namespace

struct Communicator::State {};

std::string why_no_communicator() { return kNotBuilt; }
CommunicatorId make_communicator_id() { refuse(); }

Communicator::Communicator(const CommunicatorId&, int, int) { refuse(); }
Communicator::~Communicator() = default;
void Communicator::reduce(std::span<const Buffer>, void*) { refuse(); }
void Communicator::broadcast(std::span<const Buffer>, void*) { refuse(); }
bool Communicator::is_issued() { refuse(); }
void Communicator::abort() {}

}  // namespace panal::kernels::cuda
