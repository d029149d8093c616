// Where training may compute.
#pragma once

#include <string>
#include <string_view>

namespace panal::tensor {

/// Why training cannot run on `device` ("auto", "cpu" or "cuda"), as the rest of a sentence; empty
/// when it can. Training runs on the CPU whatever this machine has: "cuda" is refused with what is
/// missing.
std::string why_not_trained_on(std::string_view device);

}  // namespace panal::tensor
