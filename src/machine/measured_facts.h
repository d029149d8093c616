// What was measured of this computer once, so that a plan need not measure: one small file of the
// home. It is a record and decides nothing: without it figures are probed or unknown.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "base/result.h"
#include "machine/machine.h"
#include "store/file_system.h"

namespace panal::machine {

using MeasuredFacts = work::MeasuredFacts;

/// Where a home keeps them.
std::filesystem::path facts_path(const std::filesystem::path& home);

/// All that the file has; none without a file. Errors: kCorrupt or kInvalidArgument naming the file
/// and the member.
Result<std::vector<MeasuredFacts>> read_facts(const std::filesystem::path& path);

/// Puts `facts` in the place of those of a like machine; what is unknown in them stays as it was
/// known. A file that cannot be read is begun anew. Errors: those of writing.
Status keep_facts(store::FileSystem& files, const std::filesystem::path& path,
                  const MeasuredFacts& facts);

/// Those of a machine like this one (Machine::is_like), or nothing.
std::optional<MeasuredFacts> find_facts(const std::vector<MeasuredFacts>& all,
                                        const Machine& machine);

}  // namespace panal::machine
