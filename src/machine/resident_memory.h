// How much memory this process has held at once, as the kernel counts it.
#pragma once

#include <cstdint>
#include <optional>

namespace panal::machine {

/// The most memory this process has held at once (VmHWM), in bytes; nothing where /proc is missing.
std::optional<std::int64_t> peak_resident_bytes();
/// Starts counting anew from what is held now. False where the kernel does not let us.
bool forget_peak_resident_bytes();

}  // namespace panal::machine
