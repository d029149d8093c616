// Grams only with a zone and with known joules, and the formula with its sources beside every
// number.
#include "energy/carbon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace panal::energy {
namespace {

using testing::HasSubstr;

const EnergyReading kOneKwh{.joules = 3.6e6, .method = "measured:rapl-package", .detail = ""};

TEST(Carbon, OneKwhInParaguayIsItsIntensityTimesPue) {
  const CarbonEstimate estimate = estimate_carbon(kOneKwh, {.zone = "py", .pue = 1.5});
  EXPECT_NEAR(estimate.grams.value(), 23.8 * 1.5, 1e-9);
  EXPECT_EQ(estimate.method,
            "measured:rapl-package energy x PUE 1.5 x 23.8 gCO2e/kWh (PY, Our World in Data / "
            "Ember 2023, "
            "lifecycle, production, yearly average)");
}

TEST(Carbon, WhatIsNotKnownStaysUnknownAndSaysWhy) {
  EXPECT_FALSE(estimate_carbon(kOneKwh, {}).grams.has_value());
  EXPECT_THAT(estimate_carbon(kOneKwh, {}).method, HasSubstr("PANAL_GRID_ZONE"));
  const CarbonEstimate nowhere = estimate_carbon(kOneKwh, {.zone = "Atlantis"});
  EXPECT_FALSE(nowhere.grams.has_value());
  EXPECT_THAT(nowhere.method, HasSubstr("\"Atlantis\"; known: AR "));
  EXPECT_FALSE(estimate_carbon({}, {.zone = "DE"}).grams.has_value());
  EXPECT_FALSE(estimate_carbon(kOneKwh, {.zone = "DE", .pue = 0.5}).grams.has_value());
}

TEST(Carbon, EveryZoneSaysWhereItsNumberComesFrom) {
  EXPECT_TRUE(std::ranges::is_sorted(grid_zones(), {}, &GridZone::zone));
  EXPECT_TRUE(std::ranges::adjacent_find(grid_zones(), {}, &GridZone::zone) == grid_zones().end());
  for (const GridZone& zone : grid_zones()) {
    EXPECT_GT(zone.grams_per_kwh, 10) << zone.zone;
    EXPECT_LT(zone.grams_per_kwh, 1000) << zone.zone;
    EXPECT_GE(zone.year, 2019) << zone.zone;
    EXPECT_FALSE(zone.source.empty() || zone.basis.empty() || zone.name.empty()) << zone.zone;
    EXPECT_EQ(find_grid_zone(zone.zone)->zone, zone.zone);
  }
}

TEST(Carbon, OptionsComeFromTheEnvironment) {
  unsetenv("PANAL_GRID_ZONE");
  unsetenv("PANAL_PUE");
  EXPECT_EQ(carbon_options_from_environment().zone, "");
  EXPECT_EQ(carbon_options_from_environment().pue, kDefaultPue);
  setenv("PANAL_GRID_ZONE", "UY", 1);
  setenv("PANAL_PUE", "1.1", 1);
  EXPECT_EQ(carbon_options_from_environment().zone, "UY");
  EXPECT_EQ(carbon_options_from_environment().pue, 1.1);
  for (const char* wrong : {"", "0.9", "6", "nan", "1.1x"}) {
    setenv("PANAL_PUE", wrong, 1);
    EXPECT_EQ(carbon_options_from_environment().pue, kDefaultPue) << wrong;
  }
  unsetenv("PANAL_GRID_ZONE");
  unsetenv("PANAL_PUE");
}

}  // namespace
}  // namespace panal::energy
