// What a step of a LoRA run holds: a frozen core, and adapters with all that their gradients need.
// The arithmetic of memory_plan.h for the other kind of run.
#pragma once

#include <vector>

#include "recipe/memory_plan.h"
#include "recipe/parameter_shapes.h"

namespace panal::recipe::detail {

/// The peak of a training step in process `rank` of shape.processes; shape.adapter has a value.
/// Throws Error for targets that the model lacks, or a rank over a matrix.
MemoryPlan plan_adapter_memory(const StepShape& shape, int rank);

/// As Decoder::trainable_parameters() has them. Throws Error as above.
std::vector<ParameterShape> adapter_parameters(const StepShape& shape);
/// Elements of all of them.
double num_adapter_parameters(const StepShape& shape);

/// FLOPs of one training token: products forward and of the inputs' gradients, none of the frozen
/// weights' (4 N in place of 6 N), and attention's, as
/// ModelConfig::training_flops_per_token() counts them; the adapters' own with all three.
double adapter_flops_per_token(const StepShape& shape);

}  // namespace panal::recipe::detail
