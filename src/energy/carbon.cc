// Grid intensities and the one multiplication that turns joules into grams.
#include "energy/carbon.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include "base/log.h"

namespace panal::energy {
namespace {

constexpr double kJoulesPerKwh = 3.6e6;

constexpr std::string_view kEmber = "Our World in Data / Ember";
constexpr std::string_view kEmberBasis = "lifecycle, production, yearly average";
constexpr std::string_view kMix = "Electricity Maps zone mix x IPCC 2014 factors";
constexpr std::string_view kMixBasis = "lifecycle, zone mix, yearly average";

// One source per zone: values of different sources are not comparable to the last digit.
constexpr std::array kZones = {
    GridZone{"AR", "Argentina", 381, 2024, kMix, kMixBasis},
    GridZone{"BR", "Brazil", 98, 2023, kEmber, kEmberBasis},
    GridZone{"BR-CS", "Brazil, centre-south", 102, 2024, kMix, kMixBasis},
    GridZone{"BR-S", "Brazil, south", 78, 2024, kMix, kMixBasis},
    GridZone{"CL", "Chile", 291, 2023, kEmber, kEmberBasis},
    GridZone{"CL-SEN", "Chile, national system", 236, 2024, kMix, kMixBasis},
    GridZone{"DE", "Germany", 338, 2024, kMix, kMixBasis},
    GridZone{"FR", "France", 33, 2024, kMix, kMixBasis},
    GridZone{"IN", "India", 713, 2023, kEmber, kEmberBasis},
    GridZone{"IN-WE", "India, west", 737, 2024, kMix, kMixBasis},
    GridZone{"PE", "Peru", 186, 2024, kMix, kMixBasis},
    GridZone{"PL", "Poland", 680, 2024, kMix, kMixBasis},
    GridZone{"PY", "Paraguay", 23.8, 2023, kEmber, kEmberBasis},
    GridZone{"US", "United States", 369, 2023, kEmber, kEmberBasis},
    GridZone{"US-CA", "California (CAISO)", 219, 2024, kMix, kMixBasis},
    GridZone{"US-NY", "New York State (NYISO)", 284, 2023, kMix, kMixBasis},
    GridZone{"US-NYC", "New York City (NYCW)", 370, 2021, "EPA eGRID2021",
             "direct, production, yearly average"},
    GridZone{"US-TX", "Texas (ERCOT)", 396, 2023, kMix, kMixBasis},
    GridZone{"UY", "Uruguay", 53, 2024, kMix, kMixBasis},
    GridZone{"WORLD", "World average", 475, 2019, "IEA", "yearly average"},
};

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& letter : result) {
    letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  }
  return result;
}

}  // namespace

std::span<const GridZone> grid_zones() { return kZones; }

Result<GridZone> find_grid_zone(std::string_view zone) {
  const auto found = std::ranges::find(kZones, upper(zone.substr(0, 32)), &GridZone::zone);
  if (found != kZones.end()) return *found;
  std::vector<std::string_view> names;
  for (const GridZone& known : kZones) names.push_back(known.zone);
  return Status(Code::kNotFound,
                fmt::format("no carbon intensity for grid zone \"{:.32}\"; known: {}", zone,
                            fmt::join(names, " ")));
}

CarbonOptions carbon_options_from_environment() {
  CarbonOptions options;
  if (const char* zone = std::getenv("PANAL_GRID_ZONE")) options.zone = zone;
  if (const char* text = std::getenv("PANAL_PUE")) {
    char* end = nullptr;
    const double pue = std::strtod(text, &end);
    if (end != text && *end == '\0' && pue >= 1 && pue <= 5) {
      options.pue = pue;
    } else {
      log_warning(
          fmt::format("PANAL_PUE must be a number from 1 to 5, found \"{:.40}\": {} is used", text,
                      kDefaultPue));
    }
  }
  return options;
}

CarbonEstimate estimate_carbon(const EnergyReading& energy, const CarbonOptions& options) {
  if (!energy.joules) return {.grams = {}, .method = "unknown: the energy is unknown"};
  if (options.zone.empty()) {
    return {.grams = {}, .method = "unknown: no grid zone is set (PANAL_GRID_ZONE)"};
  }
  const Result<GridZone> zone = find_grid_zone(options.zone);
  if (!zone.ok()) return {.grams = {}, .method = "unknown: " + zone.status().message()};
  if (!(options.pue >= 1 && options.pue <= 5)) {
    return {.grams = {},
            .method = fmt::format("unknown: PUE must be from 1 to 5, found {:g}", options.pue)};
  }
  return {.grams = *energy.joules / kJoulesPerKwh * options.pue * zone->grams_per_kwh,
          .method = fmt::format("{} energy x PUE {:g} x {:g} gCO2e/kWh ({}, {} {}, {})",
                                energy.method, options.pue, zone->grams_per_kwh, zone->zone,
                                zone->source, zone->year, zone->basis)};
}

}  // namespace panal::energy
