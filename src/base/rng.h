// One small random generator whose state can be saved, so that a resumed run draws the numbers it
// would have drawn. xoshiro256** seeded by SplitMix64 (Blackman and Vigna, "Scrambled Linear
// Pseudorandom Number Generators", 2021). Not for secrets: those come from libsodium.
#pragma once

#include <array>
#include <cstdint>

namespace panal {

class Rng {
 public:
  using State = std::array<std::uint64_t, 4>;
  using result_type = std::uint64_t;

  explicit Rng(std::uint64_t seed);
  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return ~std::uint64_t{0}; }
  std::uint64_t operator()();
  /// Uniform in [0, bound) without bias. bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1).
  double uniform();
  /// Normal with mean 0 and variance 1.
  double normal();

  const State& state() const { return state_; }
  void set_state(const State& state) { state_ = state; }

 private:
  State state_;
};

/// Uniform in [0, 1) from 64 random bits.
constexpr double uniform_of(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

/// A new seed that depends on `seed` and `stream`: independent streams from one seed.
std::uint64_t derive_seed(std::uint64_t seed, std::uint64_t stream);

}  // namespace panal
