#include "chat/detail/arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"
#include "base/error.h"

namespace panal::chat::detail {
namespace {

struct Parameters {
  std::vector<std::string_view> names;
  std::vector<bool> is_required;
  std::size_t num_unnamed = 0;  // Those before "/".
  bool takes_more = false;
  bool takes_more_named = false;
};

Parameters parse_signature(Signature signature) {
  Parameters parameters;
  while (!signature.empty()) {
    const std::size_t end = std::min(signature.find(' '), signature.size());
    std::string_view word = signature.substr(0, end);
    signature.remove_prefix(std::min(end + 1, signature.size()));
    if (word == "/") {
      parameters.num_unnamed = parameters.names.size();
    } else if (word == "*") {
      parameters.takes_more = true;
    } else if (word == "**") {
      parameters.takes_more_named = true;
    } else {
      parameters.is_required.push_back(word.back() != '?');
      if (word.back() == '?') word.remove_suffix(1);
      parameters.names.push_back(word);
    }
  }
  return parameters;
}

[[noreturn]] void fail(std::string message) {
  throw Error(Code::kInvalidArgument, std::move(message));
}

std::string known_names(const Parameters& parameters) {
  const std::vector<std::string_view> names(
      parameters.names.begin() + std::ptrdiff_t(parameters.num_unnamed), parameters.names.end());
  if (names.empty()) return "it takes none by name";
  return fmt::format("it knows {}", fmt::join(names, ", "));
}

}  // namespace

BoundArguments::BoundArguments(std::string what, Signature signature, const Arguments& arguments)
    : what_(std::move(what)) {
  const Parameters parameters = parse_signature(signature);
  names_ = parameters.names;
  values_.resize(names_.size());
  for (std::size_t i = 0; i < arguments.values.size(); ++i) {
    if (i < names_.size()) {
      values_[i] = arguments.values[i];
    } else if (parameters.takes_more) {
      more_.push_back(arguments.values[i]);
    } else {
      fail(fmt::format("{} takes at most {} arguments, found {}", what_, names_.size(),
                       arguments.values.size()));
    }
  }
  for (const auto& [name, value] : arguments.named) {
    const auto found =
        std::find(names_.begin() + std::ptrdiff_t(parameters.num_unnamed), names_.end(), name);
    if (found == names_.end()) {
      if (!parameters.takes_more_named) {
        fail(fmt::format("{} has no argument \"{}\"; {}", what_, name, known_names(parameters)));
      }
      more_named_.emplace_back(name, value);
      continue;
    }
    std::optional<Value>& place = values_[std::size_t(found - names_.begin())];
    if (place) fail(fmt::format("{} is given the argument \"{}\" twice", what_, name));
    place = value;
  }
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (parameters.is_required[i] && !values_[i]) {
      fail(fmt::format("{} needs the argument \"{}\"", what_, names_[i]));
    }
  }
}

const Value* BoundArguments::find(std::size_t position) const {
  return values_[position] ? &*values_[position] : nullptr;
}

const Value* BoundArguments::given(std::size_t position) const {
  const Value* value = find(position);
  return value != nullptr && !value->is_none() ? value : nullptr;
}

const Value& BoundArguments::at(std::size_t position) const {
  PANAL_CHECK(values_[position].has_value(), what_);
  return *values_[position];
}

const std::string& BoundArguments::text(std::size_t position) const {
  const std::string* text = at(position).text_or_null();
  if (text == nullptr) refuse(position, "a string");
  return *text;
}

std::int64_t BoundArguments::integer(std::size_t position) const {
  const Value& value = at(position);
  if (!value.is_integer() && !value.is<bool>()) refuse(position, "an integer");
  return value.as_integer();
}

std::int64_t BoundArguments::integer(std::size_t position, std::int64_t fallback) const {
  return has(position) ? integer(position) : fallback;
}

bool BoundArguments::flag(std::size_t position, bool fallback) const {
  return has(position) ? at(position).is_true() : fallback;
}

void BoundArguments::refuse(std::size_t position, std::string_view wanted) const {
  const Value& found = at(position);
  if (found.is_undefined()) fail(found.get<Undefined>()->message);
  fail(fmt::format("the argument \"{}\" of {} must be {}, found {}", names_[position], what_,
                   wanted, found.type_name()));
}

}  // namespace panal::chat::detail
