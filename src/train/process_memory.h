// What a training process holds beside the tensors that memory_plan.h counts: the code of the
// libraries, their tables, the heap.
#pragma once

#include <optional>

#include "base/result.h"
#include "recipe/run_config.h"

namespace panal::train {

/// Measured in this process after it took a step of a tiny model with the run's settings, because
/// code is paged in where it is used: some 10 MiB more than before. Text and tokenizer are not in
/// it. Call before anything else is made, with tensor::reuse_pages(). Nothing where /proc is
/// missing. Errors: those of a core's config, or of settings that do not fit the model. Cost: some
/// 50 ms.
Result<std::optional<double>> measured_process_bytes(const recipe::RunConfig& config);

}  // namespace panal::train
