// What a run has cost so far: wall time and energy of this call and of those before it.
#pragma once

#include "base/clock.h"
#include "energy/meter.h"
#include "train/detail/counters.h"

namespace panal::train::detail {

class Spending {
 public:
  /// Begins to count. Clock and meter outlive it.
  Spending(const Clock& clock, energy::Meter& meter);

  /// What earlier calls had spent when the checkpoint was made that this one goes on from.
  void go_on_from(const Counters& checkpoint);
  double call_seconds() const;
  /// Of this and earlier calls.
  double seconds() const;
  energy::EnergyReading energy() const;

 private:
  const Clock& clock_;
  const Nanoseconds started_;
  const energy::EnergyWindow window_;
  double earlier_seconds_ = 0;
  energy::EnergyReading earlier_energy_;  // Method "": there were no earlier calls.
};

}  // namespace panal::train::detail
