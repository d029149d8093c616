// A weight that is only read, kept in the form its file had: float32, or the 4- and 8-bit blocks of
// GGUF, which decoding reads 4 to 5 times faster. Both give the same numbers up to float32
// rounding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace at {
class Tensor;
}

namespace panal::tensor {

/// Not changed after construction; products may run from one thread at a time (they use the pool of
/// compute threads).
class PackedWeight {
 public:
  /// GGUF's names.
  enum class Blocks { kNone, kQ4_0, kQ4_1, kQ8_0 };

  /// A float32 weight [out, in].
  explicit PackedWeight(at::Tensor weight);
  PackedWeight(PackedWeight&&) noexcept;
  PackedWeight& operator=(PackedWeight&&) noexcept;
  ~PackedWeight();

  /// Adds the blocks the weight was made from; products of few rows then read them instead of the
  /// floats. rows: the stored bytes of each row, one row after the other. Per 32 weights: Q4_0
  /// {float16 scale, 16 bytes}, Q4_1 {float16 scale, float16 offset, 16 bytes}, Q8_0 {float16
  /// scale, 32 bytes}. Throws Error when the size does not fit, or in is no multiple of 32.
  void add_blocks(Blocks kind, std::span<const std::byte> rows);

  std::int64_t in_width() const;
  std::int64_t out_width() const;
  /// The weight as floats [out, in], the same storage.
  const at::Tensor& floats() const;

  /// x [rows, in] contiguous -> [rows, out].
  at::Tensor multiply(const at::Tensor& x) const;

 private:
  struct Packed;
  std::unique_ptr<Packed> packed_;
};

}  // namespace panal::tensor
