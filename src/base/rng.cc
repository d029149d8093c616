#include "base/rng.h"

#include <bit>
#include <cmath>
#include <numbers>

namespace panal {
namespace {

std::uint64_t split_mix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(std::uint64_t seed) {
  for (auto& word : state_) word = split_mix(seed);
}

std::uint64_t Rng::operator()() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Rng::below(std::uint64_t bound) {
  // Numbers under this threshold would make the first few remainders likelier.
  const std::uint64_t threshold = (0 - bound) % bound;
  std::uint64_t drawn = (*this)();
  while (drawn < threshold) drawn = (*this)();
  return drawn % bound;
}

double Rng::uniform() { return uniform_of((*this)()); }

double Rng::normal() {
  // 1 - uniform() is in (0, 1], so the logarithm is finite. The second Box-Muller value is dropped:
  // keeping it would be state outside state().
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::uint64_t derive_seed(std::uint64_t seed, std::uint64_t stream) {
  std::uint64_t state = seed ^ (stream * 0xd1b54a32d192ed03ULL);
  return split_mix(state);
}

}  // namespace panal
