// What is known of one computer, for people and for files: runs and benchmarks write it beside
// their figures, so that those of two computers are never put together.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "work/machine.h"

namespace panal::machine {

using Machine = work::Machine;

/// "AMD EPYC, 2 cores, 2 threads, bf16", as far as it is known.
std::string machine_label(const Machine& machine);

/// The "machine" object of machines.json and of benchmarks, in which a rate of 0 was not measured.
/// Errors: kInvalidArgument naming `where` and the member.
Result<Machine> machine_from_json(const Json& json, const std::string& where);

}  // namespace panal::machine
