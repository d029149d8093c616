// Two vectors that are used as one: what is done to a pair is done to its halves, which may be
// pairs again. Read once for each instruction set (each_level.h).

template <typename Half>
struct Pair {
  Half low, high;

  PANAL_ALWAYS_INLINE auto operator[](std::int64_t i) const {
    constexpr auto kHalf = static_cast<std::int64_t>(sizeof(Half) / sizeof(low[0]));
    return i < kHalf ? low[i] : high[i - kHalf];
  }
  PANAL_ALWAYS_INLINE Pair operator-() const { return {-low, -high}; }
  template <typename Other>
  PANAL_ALWAYS_INLINE Pair& operator+=(const Other& other) {
    return *this = *this + other;
  }
};

template <typename Half>
PANAL_ALWAYS_INLINE Pair<Half> pair_of(const Half& low, const Half& high) {
  return {low, high};
}

template <typename Scalar>
concept OneNumber = std::is_arithmetic_v<Scalar>;

#define PANAL_PAIRWISE(op)                                                         \
  template <typename Half>                                                         \
  PANAL_ALWAYS_INLINE auto operator op(const Pair<Half>& a, const Pair<Half>& b) { \
    return pair_of(a.low op b.low, a.high op b.high);                              \
  }                                                                                \
  template <typename Half, OneNumber Scalar>                                       \
  PANAL_ALWAYS_INLINE auto operator op(const Pair<Half>& a, Scalar b) {            \
    return pair_of(a.low op b, a.high op b);                                       \
  }                                                                                \
  template <typename Half, OneNumber Scalar>                                       \
  PANAL_ALWAYS_INLINE auto operator op(Scalar a, const Pair<Half>& b) {            \
    return pair_of(a op b.low, a op b.high);                                       \
  }
PANAL_PAIRWISE(+)
PANAL_PAIRWISE(-)
PANAL_PAIRWISE(*)
PANAL_PAIRWISE(/)
PANAL_PAIRWISE(&)
PANAL_PAIRWISE(|)
PANAL_PAIRWISE(<<)
PANAL_PAIRWISE(>>)
PANAL_PAIRWISE(<)
PANAL_PAIRWISE(>)
PANAL_PAIRWISE(!=)
#undef PANAL_PAIRWISE
