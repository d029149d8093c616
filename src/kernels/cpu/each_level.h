// Reads PANAL_KERNEL_BODIES, a file of kernel bodies, once for each instruction set, into the
// namespaces avx512, avx2 and baseline. In each of them Float16 of vector.h is sixteen floats in
// registers of that set: one of AVX-512, two of AVX2, four of SSE. (A vector type wider than the
// registers would be the same source with less ado, but g++ 12 takes its comparisons and selections
// apart into single floats: a maximum then takes 30 times as long, an exponential 6 times.)
// PANAL_CPU_KERNEL of dispatch.h makes the switch between them.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/dispatch.h"

// Vectors never cross a call that is not inlined, so their calling convention does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

#if defined(__x86_64__)

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
namespace panal::kernels::cpu::avx512 {
namespace {
#define PANAL_REGISTER_BYTES 64
#include "kernels/cpu/vector.h"
#include PANAL_KERNEL_BODIES
#undef PANAL_REGISTER_BYTES
}  // namespace
}  // namespace panal::kernels::cpu::avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace panal::kernels::cpu::avx2 {
namespace {
#define PANAL_REGISTER_BYTES 32
#include "kernels/cpu/vector.h"
#include PANAL_KERNEL_BODIES
#undef PANAL_REGISTER_BYTES
}  // namespace
}  // namespace panal::kernels::cpu::avx2
#pragma GCC pop_options

#endif

namespace panal::kernels::cpu::baseline {
namespace {
#define PANAL_REGISTER_BYTES 16
#include "kernels/cpu/vector.h"
#include PANAL_KERNEL_BODIES
#undef PANAL_REGISTER_BYTES
}  // namespace
}  // namespace panal::kernels::cpu::baseline
