// How a rule's file writes down its settings: by the place of each in OptimizerConfig.
#pragma once

#include <type_traits>

#include "recipe/optimizer.h"

namespace panal::recipe::descriptors {

inline constexpr double kMostRate = 10.0;
inline constexpr double kMostDecay = 10.0;
inline constexpr double kMostMomentum = 0.99999;
inline constexpr double kMostSteps = 1e9;

/// `place` is a captureless lambda that gives a setting's place in a config, const or not.
template <typename Place>
RuleSetting number(std::string_view key, double low, double high, Place) {
  return {
      .key = key,
      .kind = RuleSetting::Kind::kNumber,
      .low = low,
      .high = high,
      .get = [](const OptimizerConfig& config) -> std::optional<double> { return Place{}(config); },
      .set = [](OptimizerConfig& config, double value) { Place{}(config) = value; }};
}

template <typename Place>
RuleSetting integer(std::string_view key, double low, double high, Place) {
  RuleSetting setting = {.key = key,
                         .kind = RuleSetting::Kind::kInteger,
                         .low = low,
                         .high = high,
                         .get = [](const OptimizerConfig& config) -> std::optional<double> {
                           return static_cast<double>(Place{}(config));
                         }};
  setting.set = [](OptimizerConfig& config, double value) {
    auto& place = Place{}(config);
    place = static_cast<std::remove_reference_t<decltype(place)>>(value);
  };
  return setting;
}

template <typename Place>
RuleSetting flag(std::string_view key, Place) {
  return {.key = key,
          .kind = RuleSetting::Kind::kFlag,
          .low = 0,
          .high = 1,
          .get = [](const OptimizerConfig& config) -> std::optional<double> {
            return Place{}(config) ? 1 : 0;
          },
          .set = [](OptimizerConfig& config, double value) { Place{}(config) = value != 0; }};
}

/// Of an enumeration whose values are the places of `choices`.
template <typename Place>
RuleSetting choice(std::string_view key, std::span<const std::string_view> choices, Place) {
  RuleSetting setting = {.key = key,
                         .kind = RuleSetting::Kind::kChoice,
                         .low = 0,
                         .high = static_cast<double>(choices.size()) - 1,
                         .choices = choices,
                         .get = [](const OptimizerConfig& config) -> std::optional<double> {
                           return static_cast<double>(static_cast<int>(Place{}(config)));
                         }};
  setting.set = [](OptimizerConfig& config, double value) {
    auto& place = Place{}(config);
    place = static_cast<std::remove_reference_t<decltype(place)>>(static_cast<int>(value));
  };
  return setting;
}

}  // namespace panal::recipe::descriptors
