// Runs the operations of this folder on a CUDA device. Built without CUDA kernels, the folder
// no_cuda stands in: no device answers, and launch() says why.
#pragma once

#include <cstddef>
#include <string>

namespace panal::kernels::cuda {

/// True when this build has CUDA kernels and a device that can run them answers.
bool device_answers();
/// Why not, as a sentence; empty when one does.
std::string why_no_device();

/// True where launch() takes pointers to the host's memory: where tests put their simulation of a
/// device in the place of this file's functions.
bool runs_on_host_memory();
/// What the current device calls itself; empty without one.
std::string device_name();
/// Ten times the compute capability of the current device (90 for 9.0), 0 without one.
int compute_capability();

/// Puts the operation into `stream` (a cudaStream_t) and returns; its pointers are device memory.
/// Defined for every operation of all.h. Throws Error when the device refuses, or when this build
/// has no CUDA kernels.
template <typename Operation>
void launch(const Operation& operation, void* stream);

/// Device memory for programs without torch's allocator; throws Error when there is none.
void* allocate(std::size_t bytes);
void release(void* memory);
/// Both wait until the copy is done.
void copy_to_device(void* to, const void* from, std::size_t bytes);
void copy_to_host(void* to, const void* from, std::size_t bytes);

}  // namespace panal::kernels::cuda
