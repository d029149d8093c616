// Grams of CO2 from joules: only with a named grid zone, and every number carries its source, year
// and basis, because sources differ by 10 to 40 percent for one place and year.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "energy/meter.h"

namespace panal::energy {

/// Average carbon intensity of a grid.
struct GridZone {
  std::string_view zone;  // "PY", "DE", "US-NY": ISO 3166 country, with a region where one grid is
                          // not one country.
  std::string_view name;
  double grams_per_kwh;  // gCO2e per kWh.
  int year;
  std::string_view source;
  std::string_view basis;  // "lifecycle, production, yearly average".
};
/// Every zone known, in alphabetical order of `zone`.
std::span<const GridZone> grid_zones();
/// kNotFound names some known zones. Letters' case does not matter.
Result<GridZone> find_grid_zone(std::string_view zone);

/// Facility energy per computer energy. Uptime Institute's 2025 weighted average of data centres
/// is 1.54; a machine at home is near 1.0 to 1.1. Set it per site.
inline constexpr double kDefaultPue = 1.54;

struct CarbonOptions {
  std::string zone;          // Empty: nobody said where the machine stands, so grams stay unknown.
  double pue = kDefaultPue;  // 1.0 to 5.0.
};
/// Zone and PUE from PANAL_GRID_ZONE and PANAL_PUE; a PUE that is not a number in range is logged
/// and ignored.
CarbonOptions carbon_options_from_environment();

struct CarbonEstimate {
  std::optional<double> grams;  // Empty means unknown.
  std::string method;           // The whole formula with its sources, or why it is unknown.
};
/// Operational emissions: joules x PUE x average intensity. No embodied share.
CarbonEstimate estimate_carbon(const EnergyReading& energy, const CarbonOptions& options);

}  // namespace panal::energy
