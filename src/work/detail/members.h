// The two walks over a type's members: one writes them, the other reads them. For each type there
// is a
//   template <typename Members> void describe(Members& members, Is<Type> auto& self)
// in its namespace, which calls members.required(), optional(), defaulted() or wish() for each.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "work/codec.h"

namespace panal::work::detail {

/// Names the type that a describe() is for, constant or not.
template <typename Self, typename Type>
concept Is = std::same_as<std::remove_const_t<Self>, Type>;

/// Inclusive bounds of a number, or of a text's or list's length.
template <typename T>
struct Range {
  T low = std::numeric_limits<T>::lowest();
  T high = std::numeric_limits<T>::max();
};
/// The texts that a member may be.
template <std::size_t count>
using OneOf = std::array<std::string_view, count>;
inline constexpr Range<std::int64_t> kCount{0, std::int64_t{1} << 60};
inline constexpr Range<std::int64_t> kPositive{1, std::int64_t{1} << 60};
inline constexpr Range<double> kNotNegative{0, std::numeric_limits<double>::max()};
inline constexpr Range<double> kShare{0, 1};
/// No list of a document is longer.
inline constexpr std::size_t kMostItems = std::size_t{1} << 24;

template <typename T>
inline constexpr bool is_optional = false;
template <typename T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <typename T>
inline constexpr bool is_vector = false;
template <typename T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <typename T>
inline constexpr bool is_array = false;
template <typename T, std::size_t count>
inline constexpr bool is_array<std::array<T, count>> = true;
template <typename T>
inline constexpr bool is_map = false;
template <typename T>
inline constexpr bool is_map<std::map<std::string, T>> = true;

/// The names of an enumeration, for types with a function enum_names(E) beside them.
template <typename E>
using EnumNames = std::span<const std::pair<E, std::string_view>>;

class Encoder {
 public:
  template <typename T, typename... Bounds>
  void required(const char* name, const T& value, const Bounds&...) {
    json_[name] = to_json(value);
  }
  template <typename T, typename... Bounds>
  void defaulted(const char* name, const T& value, const Bounds&...) {
    json_[name] = to_json(value);
  }
  /// Unknown is null, so that a reader sees that it was thought of.
  template <typename T, typename... Bounds>
  void optional(const char* name, const std::optional<T>& value, const Bounds&...) {
    json_[name] = value ? to_json(*value) : Json(nullptr);
  }
  /// Left out when it is not there: for wishes, where silence means "as you think best".
  template <typename T, typename... Bounds>
  void wish(const char* name, const std::optional<T>& value, const Bounds&...) {
    if (value) json_[name] = to_json(*value);
  }
  /// Members of `part` stand among those of the whole.
  template <typename T>
  void inlined(const T& part) {
    describe(*this, part);
  }

  Json take() { return std::move(json_); }

  template <typename T>
  static Json to_json(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      for (const auto& [known, name] : enum_names(value)) {
        if (known == value) return Json(name);
      }
      return nullptr;
    } else if constexpr (std::same_as<T, double>) {
      return std::isfinite(value) ? Json(value) : Json(nullptr);
    } else if constexpr (std::same_as<T, std::filesystem::path>) {
      return Json(value.string());
    } else if constexpr (is_vector<T> || is_array<T>) {
      Json list = Json::array();
      for (const auto& item : value) list.push_back(to_json(item));
      return list;
    } else if constexpr (is_map<T>) {
      Json object = Json::object();
      for (const auto& [name, item] : value) object[name] = to_json(item);
      return object;
    } else if constexpr (is_optional<T>) {
      return value ? to_json(*value) : Json(nullptr);
    } else if constexpr (std::is_arithmetic_v<T> || std::same_as<T, std::string> ||
                         std::same_as<T, Json>) {
      return Json(value);
    } else {
      Encoder inner;
      describe(inner, value);
      return inner.take();
    }
  }

 private:
  Json json_ = Json::object();
};

class Decoder {
 public:
  /// `unknown_are_errors`: the document is not of a newer version.
  Decoder(const Json& object, std::string where, bool unknown_are_errors)
      : json_(object), where_(std::move(where)), unknown_are_errors_(unknown_are_errors) {
    if (!object.is_object()) {
      fail(fmt::format("{}: expected a JSON object, found {}", where_, json_shown(object)));
    }
  }

  template <typename T, typename... Bounds>
  void required(const char* name, T& value, const Bounds&... bounds) {
    if (const Json* member = find(name)) {
      read(*member, name, value, bounds...);
    } else {
      fail(fmt::format("{}: \"{}\" is missing", where_, name));
    }
  }
  template <typename T, typename... Bounds>
  void defaulted(const char* name, T& value, const Bounds&... bounds) {
    const Json* member = find(name);
    if (member != nullptr && !member->is_null()) read(*member, name, value, bounds...);
  }
  template <typename T, typename... Bounds>
  void optional(const char* name, std::optional<T>& value, const Bounds&... bounds) {
    const Json* member = find(name);
    if (member == nullptr || member->is_null()) return;
    read(*member, name, value.emplace(), bounds...);
  }
  template <typename T, typename... Bounds>
  void wish(const char* name, std::optional<T>& value, const Bounds&... bounds) {
    optional(name, value, bounds...);
  }
  template <typename T>
  void inlined(T& part) {
    describe(*this, part);
  }

  /// After all members were asked for: counts the others, or refuses them.
  void finish() {
    if (!json_.is_object() || !status_.ok()) return;
    for (const auto& [name, value] : json_.items()) {
      if (asked_.contains(name)) continue;
      ++num_ignored_;
      if (unknown_are_errors_) {
        return fail(fmt::format("{}: unknown member \"{}\"", where_, name.substr(0, 60)));
      }
    }
  }
  /// A member that somebody else reads.
  const Json* find(const char* name) {
    asked_.emplace(name, true);
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(name);
    return found == json_.end() ? nullptr : &*found;
  }
  void fail(std::string message) {
    if (status_.ok()) status_ = Status(Code::kInvalidArgument, std::move(message));
  }
  const std::string& where() const { return where_; }
  const Status& status() const { return status_; }
  std::int64_t num_ignored() const { return num_ignored_; }

  template <typename T, typename... Bounds>
  void read(const Json& json, const std::string& name, T& value, const Bounds&... bounds) {
    if constexpr (std::same_as<T, Json>) {
      value = json;
    } else if constexpr (std::same_as<T, bool>) {
      if (!json.is_boolean()) return wrong(name, "true or false", json);
      value = json.get<bool>();
    } else if constexpr (std::same_as<T, std::string>) {
      if (!json.is_string()) return wrong(name, "a string", json);
      value = json.get<std::string>();
      (check_known(name, value, bounds), ...);
    } else if constexpr (std::same_as<T, std::filesystem::path>) {
      if (!json.is_string()) return wrong(name, "a path", json);
      value = json.get<std::string>();
    } else if constexpr (std::integral<T>) {
      read_integer(json, name, value, bounds...);
    } else if constexpr (std::same_as<T, double>) {
      read_number(json, name, value, bounds...);
    } else if constexpr (std::is_enum_v<T>) {
      read_name(json, name, value);
    } else if constexpr (is_vector<T>) {
      read_list(json, name, value, bounds...);
    } else if constexpr (is_array<T>) {
      read_array(json, name, value, bounds...);
    } else if constexpr (is_map<T>) {
      read_map(json, name, value, bounds...);
    } else if constexpr (is_optional<T>) {
      if (!json.is_null()) read(json, name, value.emplace(), bounds...);
    } else {
      Decoder inner(json, fmt::format("{}.{}", where_, name), unknown_are_errors_);
      describe(inner, value);
      inner.finish();
      if (!inner.status().ok()) fail(inner.status().message());
      num_ignored_ += inner.num_ignored();
    }
  }

 private:
  void wrong(const std::string& name, std::string_view wanted, const Json& found) {
    fail(fmt::format("{}: \"{}\" must be {}, found {}", where_, name, wanted, json_shown(found)));
  }

  template <std::size_t count>
  void check_known(const std::string& name, const std::string& value, const OneOf<count>& known) {
    if (std::ranges::find(known, value) != known.end()) return;
    wrong(name, fmt::format("one of {}", fmt::join(known, ", ")), Json(value));
  }
  template <typename T>
  void read_integer(const Json& json, const std::string& name, T& value,
                    const Range<std::int64_t>& bounds = {}) {
    const std::int64_t low = std::max<std::int64_t>(bounds.low, std::numeric_limits<T>::lowest());
    const std::int64_t high = std::min<std::int64_t>(bounds.high, std::numeric_limits<T>::max());
    const auto read = json_integer(Json{{name, json}}, name, where_, low, high);
    if (!read.ok()) return fail(read.status().message());
    value = static_cast<T>(*read);
  }
  void read_number(const Json& json, const std::string& name, double& value,
                   const Range<double>& bounds = {}) {
    const auto read = json_number(Json{{name, json}}, name, where_, bounds.low, bounds.high);
    if (!read.ok()) return fail(read.status().message());
    value = *read;
  }
  template <typename T>
  void read_name(const Json& json, const std::string& name, T& value) {
    std::string known;
    for (const auto& [candidate, text] : enum_names(T{})) {
      if (json.is_string() && json.get_ref<const std::string&>() == text) {
        value = candidate;
        return;
      }
      known += fmt::format("{}\"{}\"", known.empty() ? "" : ", ", text);
    }
    wrong(name, "one of " + known, json);
  }
  template <typename T, typename... Bounds>
  void read_list(const Json& json, const std::string& name, std::vector<T>& list,
                 const Bounds&... bounds) {
    if (!json.is_array() || json.size() > kMostItems) return wrong(name, "a list", json);
    list.clear();
    list.reserve(json.size());
    for (std::size_t i = 0; i < json.size() && status_.ok(); ++i) {
      T item{};
      read(json[i], fmt::format("{}[{}]", name, i), item, bounds...);
      list.push_back(std::move(item));
    }
  }
  template <typename T, std::size_t count, typename... Bounds>
  void read_array(const Json& json, const std::string& name, std::array<T, count>& array,
                  const Bounds&... bounds) {
    if (!json.is_array() || json.size() != count)
      return wrong(name, fmt::format("a list of {}", count), json);
    for (std::size_t i = 0; i < count; ++i)
      read(json[i], fmt::format("{}[{}]", name, i), array[i], bounds...);
  }
  template <typename T, typename... Bounds>
  void read_map(const Json& json, const std::string& name, std::map<std::string, T>& map,
                const Bounds&... bounds) {
    if (!json.is_object()) return wrong(name, "an object", json);
    map.clear();
    for (const auto& [key, item] : json.items()) {
      if (!status_.ok()) return;
      read(item, fmt::format("{}.{}", name, key.substr(0, 60)), map[key], bounds...);
    }
  }

  const Json& json_;
  const std::string where_;
  const bool unknown_are_errors_;
  std::map<std::string, bool, std::less<>> asked_;
  Status status_;
  std::int64_t num_ignored_ = 0;
};

inline Result<Version> read_version(const Json& document, std::string_view where) {
  PANAL_ASSIGN(const std::string text, json_string(document, "version", where));
  Version version;
  int end = 0;
  if (std::sscanf(text.c_str(), "%5ld.%5ld%n", &version.major, &version.minor, &end) != 2 ||
      static_cast<std::size_t>(end) != text.size() || version.major < 0 || version.minor < 0) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: \"version\" must be two numbers like \"1.0\", found \"{:.20}\"",
                              where, text));
  }
  if (version.major != kVersion.major) {
    return Status(Code::kUnsupported,
                  fmt::format("{}: written in version {} of panal's language, but this program "
                              "speaks version {}.{}: use the same panal on both sides",
                              where, text, kVersion.major, kVersion.minor));
  }
  return version;
}

template <typename T>
Json encode_document(const T& value) {
  Json document = {{"version", fmt::format("{}.{}", kVersion.major, kVersion.minor)}};
  Encoder encoder;
  describe(encoder, value);
  document.update(encoder.take());
  return document;
}

template <typename T>
Result<T> decode_part(const Json& json, std::string_view where) {
  Decoder decoder(json, std::string(where), /*unknown_are_errors=*/false);
  T value{};
  describe(decoder, value);
  decoder.finish();
  PANAL_TRY(decoder.status());
  return value;
}

template <typename T>
Result<Decoded<T>> decode_document(const Json& document, std::string_view where) {
  PANAL_ASSIGN(const Version version, read_version(document, where));
  Decoder decoder(document, std::string(where), version.minor <= kVersion.minor);
  Decoded<T> decoded;
  decoder.find("version");
  describe(decoder, decoded.value);
  decoder.finish();
  PANAL_TRY(decoder.status());
  decoded.num_ignored = decoder.num_ignored();
  return decoded;
}

}  // namespace panal::work::detail

/// Defines the codec of a type whose describe() is visible here.
#define PANAL_WORK_CODEC(Type)                                                                \
  template <>                                                                                 \
  Json encode<Type>(const Type& value) {                                                      \
    return detail::encode_document(value);                                                    \
  }                                                                                           \
  template <>                                                                                 \
  Result<Decoded<Type>> decode_counting<Type>(const Json& document, std::string_view where) { \
    return detail::decode_document<Type>(document, where);                                    \
  }

/// Defines to_json() and from_json() of a type whose describe() is visible here.
#define PANAL_WORK_PART(Type)                                              \
  template <>                                                              \
  Json to_json<Type>(const Type& value) {                                  \
    return detail::Encoder::to_json(value);                                \
  }                                                                        \
  template <>                                                              \
  Result<Type> from_json<Type>(const Json& json, std::string_view where) { \
    return detail::decode_part<Type>(json, where);                         \
  }
