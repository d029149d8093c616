// Read once for each instruction set (each_level.h).

struct Full {
  float* value;
  template <typename Extent>
  PANAL_ALWAYS_INLINE Float16 get(std::int64_t i, Extent extent) const {
    return load(value + i, extent);
  }
  template <typename Extent>
  PANAL_ALWAYS_INLINE void set(std::int64_t i, const Float16& exact, Extent extent) const {
    store(value + i, exact, extent);
  }
};

// exact bits = rounded bits * 2^16 + remainder, in 32-bit integers that wrap around.
struct Split {
  std::uint16_t* rounded;
  std::int16_t* remainder;

  PANAL_ALWAYS_INLINE static Float16 join(const std::uint16_t* rounded,
                                          const std::int16_t* remainder) {
    const auto difference = bits_as<Bits16>(convert<Int16>(load_as<Short16>(remainder)));
    const auto high = convert<Bits16>(load_as<HalfBits16>(rounded)) << 16;
    return bits_as<Float16>(difference + high);
  }
  PANAL_ALWAYS_INLINE static void split(const Float16& exact, std::uint16_t* rounded,
                                        std::int16_t* remainder) {
    const auto bits = bits_as<Bits16>(exact);
    store_as(rounded, convert<HalfBits16>((bits + 0x8000u) >> 16));
    store_as(remainder, convert<HalfBits16>(bits & 0xFFFFu));
  }
  PANAL_ALWAYS_INLINE Float16 get(std::int64_t i, WholeVector) const {
    return join(rounded + i, remainder + i);
  }
  PANAL_ALWAYS_INLINE Float16 get(std::int64_t i, PartOfVector part) const {
    std::uint16_t high[kWidth] = {};
    std::int16_t low[kWidth] = {};
    std::memcpy(high, rounded + i, static_cast<std::size_t>(part.count) * 2);
    std::memcpy(low, remainder + i, static_cast<std::size_t>(part.count) * 2);
    return join(high, low);
  }
  PANAL_ALWAYS_INLINE void set(std::int64_t i, const Float16& exact, WholeVector) const {
    split(exact, rounded + i, remainder + i);
  }
  PANAL_ALWAYS_INLINE void set(std::int64_t i, const Float16& exact, PartOfVector part) const {
    std::uint16_t high[kWidth];
    std::int16_t low[kWidth];
    split(exact, high, low);
    std::memcpy(rounded + i, high, static_cast<std::size_t>(part.count) * 2);
    std::memcpy(remainder + i, low, static_cast<std::size_t>(part.count) * 2);
  }
};

// Each calls body with the form that is there.
template <typename Body>
PANAL_ALWAYS_INLINE void with_parameter(const ParameterSpan& span, const Body& body) {
  if (span.value != nullptr) {
    body(Full{span.value});
  } else {
    body(Split{span.rounded, span.remainder});
  }
}
template <typename Body>
PANAL_ALWAYS_INLINE void with_numbers(const NumberSpan& span, const Body& body) {
  if (span.floats != nullptr) {
    body(span.floats);
  } else {
    body(span.halves);
  }
}

// Within 2 units in the last place for normal numbers, 0 for 0: a first guess of the inverse root
// from the exponent, then Newton's iteration (Lomont, "Fast Inverse Square Root", 2003).
PANAL_ALWAYS_INLINE Float16 square_root(const Float16& x) {
  auto inverse = bits_as<Float16>(0x5f375a86 - (bits_as<Int16>(x) >> 1));
  const Float16 half = x * 0.5f;
  for (int i = 0; i < 3; ++i) inverse = inverse * (1.5f - half * inverse * inverse);
  return x * inverse;
}

PANAL_ALWAYS_INLINE void adamw_update_body(const AdamWUpdate& u, std::int64_t count) {
  with_parameter(u.parameter, [&](auto parameter) PANAL_ALWAYS_INLINE_LAMBDA {
    with_numbers(u.gradient, [&](auto* gradient) PANAL_ALWAYS_INLINE_LAMBDA {
      with_numbers(u.first_moment, [&](auto* first_moment) PANAL_ALWAYS_INLINE_LAMBDA {
        for_each_vector(count, [&](std::int64_t i, auto n) PANAL_ALWAYS_INLINE_LAMBDA {
          const Float16 g = load(gradient + i, n) * u.gradient_scale;
          Float16 first = load(first_moment + i, n);
          Float16 second = load(u.second_moment + i, n);
          first += (g - first) * (1.0f - u.beta1);
          second = second * u.beta2 + g * g * (1.0f - u.beta2);
          store(first_moment + i, first, n);
          store(u.second_moment + i, second, n);
          const Float16 size = square_root(second) * u.second_factor + u.epsilon;
          parameter.set(i, parameter.get(i, n) * u.keep - first / size * u.step_size, n);
        });
      });
    });
  });
}

PANAL_ALWAYS_INLINE void momentum_update_body(const MomentumUpdate& u, std::int64_t count) {
  with_numbers(u.gradient, [&](auto* gradient) PANAL_ALWAYS_INLINE_LAMBDA {
    with_numbers(u.momentum, [&](auto* momentum) PANAL_ALWAYS_INLINE_LAMBDA {
      for_each_vector(count, [&](std::int64_t i, auto n) PANAL_ALWAYS_INLINE_LAMBDA {
        const Float16 g = load(gradient + i, n) * u.gradient_scale;
        Float16 mean = load(momentum + i, n);
        mean += (g - mean) * u.share;
        store(momentum + i, mean, n);
        store(u.direction + i, g + (mean - g) * u.look_ahead, n);
      });
    });
  });
}

PANAL_ALWAYS_INLINE Float16 changed(const ChangeUpdate& u, const Float16& value,
                                    const Float16& change) {
  Float16 kept = value * u.keep;
  if (u.is_cautious) kept = select(change * value < 0.0f, value, kept);
  return kept - change * u.length;
}

PANAL_ALWAYS_INLINE void change_update_body(const ChangeUpdate& u, std::int64_t count) {
  with_parameter(u.parameter, [&](auto parameter) PANAL_ALWAYS_INLINE_LAMBDA {
    for_each_vector(count, [&](std::int64_t i, auto n) PANAL_ALWAYS_INLINE_LAMBDA {
      parameter.set(i, changed(u, parameter.get(i, n), load(u.change + i, n)), n);
    });
  });
}

PANAL_ALWAYS_INLINE void transport_update_body(const TransportUpdate& u, std::int64_t count) {
  with_parameter(u.change.parameter, [&](auto parameter) PANAL_ALWAYS_INLINE_LAMBDA {
    for_each_vector(count, [&](std::int64_t i, auto n) PANAL_ALWAYS_INLINE_LAMBDA {
      const Float16 point =
          parameter.get(i, n) - load(u.displacement + i, n) * u.extrapolation_before;
      const Float16 next = changed(u.change, point, load(u.change.change + i, n));
      store(u.displacement + i, next - point, n);
      // What was stored, rounded, is what the next step takes off again.
      parameter.set(i, next + load(u.displacement + i, n) * u.extrapolation_after, n);
    });
  });
}

PANAL_ALWAYS_INLINE void look_ahead_update_body(const LookAheadUpdate& u, std::int64_t count) {
  with_parameter(u.parameter, [&](auto parameter) PANAL_ALWAYS_INLINE_LAMBDA {
    with_numbers(u.average, [&](auto* average) PANAL_ALWAYS_INLINE_LAMBDA {
      for_each_vector(count, [&](std::int64_t i, auto n) PANAL_ALWAYS_INLINE_LAMBDA {
        const Float16 mean = load(average + i, n);
        const Float16 point = load(u.before + i, n) - mean * u.extrapolation_before;
        const Float16 next = parameter.get(i, n);
        store(average + i, mean + (next - point - mean) * u.share, n);
        parameter.set(i, next + load(average + i, n) * u.extrapolation_after, n);
      });
    });
  });
}

PANAL_ALWAYS_INLINE void join_exact_body(const SplitCopy& copy, std::int64_t count) {
  with_parameter(copy.parameter, [&](auto parameter) PANAL_ALWAYS_INLINE_LAMBDA {
    for_each_vector(count, [&](std::int64_t i, auto n) PANAL_ALWAYS_INLINE_LAMBDA {
      store(copy.exact + i, parameter.get(i, n), n);
    });
  });
}

PANAL_ALWAYS_INLINE void split_exact_body(const SplitCopy& copy, std::int64_t count) {
  with_parameter(copy.parameter, [&](auto parameter) PANAL_ALWAYS_INLINE_LAMBDA {
    for_each_vector(count, [&](std::int64_t i, auto n) PANAL_ALWAYS_INLINE_LAMBDA {
      parameter.set(i, load(copy.exact + i, n), n);
    });
  });
}

PANAL_ALWAYS_INLINE void square_sum_body(const NumberSpan& numbers, std::int64_t count,
                                         double* total) {
  with_numbers(numbers, [&](auto* values) PANAL_ALWAYS_INLINE_LAMBDA {
    Float16 squares = {};
    for_each_vector(count, [&](std::int64_t i, auto n) PANAL_ALWAYS_INLINE_LAMBDA {
      const Float16 value = load(values + i, n);
      squares += value * value;
    });
    *total = static_cast<double>(sum(squares));
  });
}
