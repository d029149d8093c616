// What a run that took all its steps leaves: a model folder and a sample of its text.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "train/detail/corpus.h"
#include "train/detail/logbook.h"
#include "train/detail/run_context.h"
#include "train/detail/trainer.h"

namespace panal::train::detail {

/// Writes the folder "model", whole or not at all, and then the sample, which it returns: "" when
/// none is wanted. With the weights the optimizer stands for.
Result<std::string> write_result(const RunContext& context, const Corpus& corpus, Trainer& trainer,
                                 std::int64_t step, DiskPatience& patience, Logbook& logbook);

}  // namespace panal::train::detail
