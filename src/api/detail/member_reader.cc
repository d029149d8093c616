#include "api/detail/member_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace panal::api::detail {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kShownBytes = 60;

}  // namespace

std::variant<WireJson, ApiError> parse_object(std::string_view body) {
  if (body.empty()) return bad_request("The request has no body; a JSON object was expected.");
  bool is_too_deep = false;
  const auto limit_depth = [&](int depth, WireJson::parse_event_t, WireJson&) {
    if (depth > kMaxDepth) is_too_deep = true;
    return !is_too_deep;
  };
  try {
    WireJson parsed = WireJson::parse(body, limit_depth);
    if (is_too_deep) {
      return bad_request(
          fmt::format("The request's JSON is nested deeper than {} levels.", kMaxDepth));
    }
    if (!parsed.is_object()) {
      return bad_request(
          fmt::format("The request must be a JSON object, but it is {}.", shown(parsed)));
    }
    return parsed;
  } catch (const WireJson::parse_error& error) {
    return bad_request(
        fmt::format("The request is not valid JSON: it ends or breaks at byte {} of {}.",
                    std::min(error.byte, body.size()), body.size()));
  } catch (const WireJson::exception&) {
    return bad_request("The request's JSON holds a number that is too large.");
  }
}

std::string shown(const WireJson& value) {
  if (value.is_object() || value.is_array()) {
    return fmt::format("{} with {} entries", value.is_object() ? "an object" : "a list",
                       value.size());
  }
  std::string text = value.dump(-1, ' ', false, WireJson::error_handler_t::replace);
  if (text.size() <= kShownBytes) return text;
  std::size_t end = kShownBytes - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

const WireJson* MemberReader::find(std::string_view name) const {
  if (error_) return nullptr;
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::int64_t> MemberReader::integer(std::string_view name, std::int64_t low,
                                                  std::int64_t high) {
  const WireJson* value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::string wanted = fmt::format("an integer from {} to {}", low, high);
  std::optional<std::int64_t> number;
  if (value->is_number_unsigned()) {
    const auto found = value->get<std::uint64_t>();
    if (found <= static_cast<std::uint64_t>(INT64_MAX)) number = static_cast<std::int64_t>(found);
  } else if (value->is_number_integer()) {
    number = value->get<std::int64_t>();
  } else if (value->is_number_float()) {  // Some clients write 16 as 16.0.
    const double found = value->get<double>();
    if (std::floor(found) == found && std::abs(found) < 9e15)
      number = static_cast<std::int64_t>(found);
  }
  if (!number || *number < low || *number > high) {
    fail(name, wanted, *value);
    return std::nullopt;
  }
  return number;
}

std::optional<double> MemberReader::number(std::string_view name, double low, double high) {
  const WireJson* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) {
    const double number = value->get<double>();
    if (number >= low && number <= high) return number;
  }
  fail(name, fmt::format("a number from {} to {}", low, high), *value);
  return std::nullopt;
}

std::optional<bool> MemberReader::boolean(std::string_view name) {
  const WireJson* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  fail(name, "true or false", *value);
  return std::nullopt;
}

std::optional<std::string> MemberReader::string(std::string_view name) {
  const WireJson* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  fail(name, "a string", *value);
  return std::nullopt;
}

void MemberReader::fail(std::string_view name, std::string_view wanted, const WireJson& found) {
  fail(bad_request(fmt::format("'{}' must be {}, found {}.", full_name(name), wanted, shown(found)),
                   full_name(name), "invalid_value"));
}

void MemberReader::fail(ApiError error) {
  if (!error_) error_ = std::move(error);
}

void MemberReader::require(std::string_view name, std::string_view wanted) {
  if (error_ || find(name) != nullptr) return;
  fail(bad_request(fmt::format("'{}' is missing; it must be {}.", full_name(name), wanted),
                   full_name(name), "missing_required_parameter"));
}

}  // namespace panal::api::detail
