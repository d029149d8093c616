#include "train/detail/spending.h"

#include <vector>

namespace panal::train::detail {

Spending::Spending(const Clock& clock, energy::Meter& meter)
    : clock_(clock),
      started_(clock.steady_now()),
      window_(meter),
      earlier_energy_{.joules = 0.0, .method = "", .detail = ""} {}

void Spending::go_on_from(const Counters& checkpoint) {
  earlier_seconds_ = checkpoint.seconds;
  earlier_energy_ = checkpoint.energy;
}

double Spending::call_seconds() const { return panal::seconds(clock_.steady_now() - started_); }

double Spending::seconds() const { return earlier_seconds_ + call_seconds(); }

energy::EnergyReading Spending::energy() const {
  const energy::EnergyReading now = window_.read();
  if (earlier_energy_.method.empty()) return now;
  const std::vector<energy::EnergyReading> parts = {earlier_energy_, now};
  return energy::combine(parts);
}

}  // namespace panal::train::detail
