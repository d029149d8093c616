// In the place of the CUDA kernels in a build without them: everything says so.
#include "kernels/cuda/launch.h"

#include "base/error.h"
#include "kernels/cuda/all.h"

namespace panal::kernels::cuda {
namespace {

constexpr const char* kNotBuilt =
    "this panal was built without CUDA kernels: build it with `cmake --preset gpu`";

}  // namespace

bool device_answers() { return false; }
std::string why_no_device() { return kNotBuilt; }
bool runs_on_host_memory() { return false; }
std::string device_name() { return ""; }
int compute_capability() { return 0; }

template <typename Operation>
void launch(const Operation&, void*) {
  throw Error(Code::kUnsupported, kNotBuilt);
}
#define PANAL_LAUNCH(...) template void launch(const __VA_ARGS__&, void*);
PANAL_NORM_OPERATIONS(PANAL_LAUNCH)
PANAL_ACTIVATION_OPERATIONS(PANAL_LAUNCH)
PANAL_CROSS_ENTROPY_OPERATIONS(PANAL_LAUNCH)
PANAL_UPDATE_OPERATIONS(PANAL_LAUNCH)
PANAL_NEWTON_SCHULZ_OPERATIONS(PANAL_LAUNCH)

void* allocate(std::size_t) { throw Error(Code::kUnsupported, kNotBuilt); }
void release(void*) {}
void copy_to_device(void*, const void*, std::size_t) { throw Error(Code::kUnsupported, kNotBuilt); }
void copy_to_host(void*, const void*, std::size_t) { throw Error(Code::kUnsupported, kNotBuilt); }

}  // namespace panal::kernels::cuda
