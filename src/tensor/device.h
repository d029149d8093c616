// Where training computes: the CPU, or a CUDA device through torch and the kernels of kernels/cuda.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace c10 {
struct Device;  // c10/core/Device.h
}

namespace panal::tensor {

/// Why so many processes cannot train on CUDA devices of this machine; empty when they can. Each
/// process wants one of its own.
std::string why_no_cuda(int processes = 1);

/// Why training by so many processes cannot run on `device` ("auto", "cpu" or "cuda"), as the rest
/// of a sentence; empty when it can. Each process wants a CUDA device of its own.
std::string why_not_trained_on(std::string_view device, int processes = 1);

/// True where training_device(wanted, ...) is a CUDA device; a bad wish is none.
bool trains_on_cuda(std::string_view wanted, int processes = 1);

/// "auto" is a CUDA device where this build has kernels for it and enough of them answer, else the
/// CPU. Process `rank` of `processes` gets the device of its number. Where it is a CUDA device, the
/// calling thread's work goes into a stream of its own from here on, because the default stream
/// cannot be captured (cuda_graph.h). Throws Error where why_not_trained_on() has a reason.
c10::Device training_device(std::string_view wanted, int rank = 0, int processes = 1);

/// Has the calling thread use the device, as each thread that touches its tensors must.
void enter(const c10::Device& device);

/// "cpu", or what the CUDA device calls itself.
std::string device_name(const c10::Device& device);

/// Waits until the device has done all that it was given. Nothing on the CPU, which never owes any.
void finish_work(const c10::Device& device);

/// The most memory that tensors have held on a CUDA device since forget_peak_device_bytes(), in
/// bytes; nothing on the CPU.
std::optional<std::int64_t> peak_device_bytes(const c10::Device& device);
void forget_peak_device_bytes(const c10::Device& device);

}  // namespace panal::tensor
