// How what one program says to another becomes JSON and is read again: each type describes its
// members once (in its .cc), and both directions follow from that, so that they cannot differ.
//
// A document carries the version of the language it is written in. Of one that is newer in its
// minor version, unknown members are ignored and counted, because the peer may say more than this
// program knows. Of any other, an unknown member is an error: it is misspelt. A missing member is
// an error too, unless its type says that it may be unknown (std::optional) or has a default.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace panal::work {

/// Documents of another major version are refused.
struct Version {
  std::int64_t major = 1;
  std::int64_t minor = 0;
};
inline constexpr Version kVersion{1, 0};

/// The value as a document: its members and "version". Numbers that are not finite become null.
template <typename T>
Json encode(const T& value);

template <typename T>
struct Decoded {
  T value;
  std::int64_t num_ignored = 0;  // Members of a newer minor version that nobody here knows.
};

/// Reads a document. Everything in it is untrusted. Errors: kInvalidArgument names `where`, the
/// member's path, what was wanted and what was found; kUnsupported for another major version.
template <typename T>
Result<Decoded<T>> decode_counting(const Json& document, std::string_view where);

template <typename T>
Result<T> decode(const Json& document, std::string_view where) {
  PANAL_ASSIGN(Decoded<T> decoded, decode_counting<T>(document, where));
  return std::move(decoded.value);
}

/// Parses text and decodes it.
template <typename T>
Result<T> parse(std::string_view text, std::string_view where) {
  PANAL_ASSIGN(const Json document, parse_json(text, where));
  return decode<T>(document, where);
}

/// The members alone, without a version: for files that have one of their own, and for people.
template <typename T>
Json to_json(const T& value);

/// The other way; members that nobody here knows are ignored. Everything in it is untrusted.
/// Errors: kInvalidArgument, as decode().
template <typename T>
Result<T> from_json(const Json& json, std::string_view where);

}  // namespace panal::work
