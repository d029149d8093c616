// What a run needs before its first step: tokens, and a trainer with a model of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.h"
#include "train/detail/corpus.h"
#include "train/detail/run_context.h"
#include "train/detail/trainer.h"

namespace panal::train::detail {

/// Opens the run's tokens, or makes them from its texts. Errors: those of open_corpus.
Result<Corpus> open_data(const RunContext& context);

/// A trainer at step 0. `earlier_threads`: of the calls before this one, which it keeps unless the
/// config names others.
/// Errors: kInvalidArgument when data, model and batch do not fit; those of reading a core.
Result<std::unique_ptr<Trainer>> open_trainer(const RunContext& context, const Corpus& corpus,
                                              std::optional<std::int64_t> earlier_threads);

}  // namespace panal::train::detail
