// How large the pieces are that a training step works in, where they decide how much memory it
// takes: what computes and what plans (recipe/memory_plan.h) read the same numbers. Torch-free.
#pragma once

#include <cstdint>

namespace panal::tensor {

/// Numbers of logits that head_loss() holds at a time (one row of them at least).
inline constexpr std::int64_t kLogitsPerChunk = std::int64_t{1} << 24;
inline constexpr std::int64_t kLogitsPerChunkOnDevice = std::int64_t{1} << 26;

/// Elements of a bfloat16 product that stand beside the float32 sum they are added to.
inline constexpr std::int64_t kElementsBeside = std::int64_t{1} << 22;

/// Weights whose matrices are made orthogonal at once: enough to fill a large device.
inline constexpr std::int64_t kElementsTogether = std::int64_t{1} << 23;

/// Elements of the gradients that leave a process together, or one tensor: large enough that a
/// call's overhead does not count, small enough that the first leaves early.
inline constexpr std::int64_t kBucketElements = std::int64_t{1} << 20;

/// Elements that are on their way between two devices in another type than they have.
inline constexpr std::int64_t kPassingElements = std::int64_t{8} << 20;

}  // namespace panal::tensor
