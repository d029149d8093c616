#include "tokenizer/detail/pre_tokenizer.h"
#include "base/utf8.h"

#include <fmt/format.h>

#include "base/character_class.h"

namespace panal::tokenizer::detail {
namespace {

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxSteps = 32;
constexpr std::string_view kKnown =
    "panal knows ByteLevel, Digits, Split and Sequence of these with ByteLevel last";

struct Character {
  CharacterClass kind;
  std::uint32_t num_bytes;
};

Character character_at(std::string_view text, std::size_t at) {
  const auto byte = std::uint8_t(text[at]);
  if (byte < 0x80) return {character_class(byte), 1};
  const Utf8Step step = next_character(text.substr(at, 4));
  return {character_class(step.character), step.num_bytes};
}

// End of the run of characters of `kind` that starts at `at`.
std::size_t run_end(std::string_view text, std::size_t at, CharacterClass kind) {
  while (at < text.size()) {
    const Character next = character_at(text, at);
    if (next.kind != kind) break;
    at += next.num_bytes;
  }
  return at;
}

// The bytes of 's 't 're 've 'm 'll 'd at an apostrophe, or 0.
std::size_t contraction_bytes(std::string_view text, std::size_t at) {
  if (text[at] != '\'' || at + 1 >= text.size()) return 0;
  const char first = text[at + 1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const std::string_view pair = text.substr(at + 1, 2);
  return pair == "re" || pair == "ve" || pair == "ll" ? 3 : 0;
}

// \s+(?!\S)|\s+ : white space before a word leaves its last character to the word.
std::size_t space_end(std::string_view text, std::size_t at) {
  std::size_t last = at;
  std::size_t end = at;
  while (end < text.size()) {
    const Character next = character_at(text, end);
    if (next.kind != CharacterClass::kSpace) break;
    last = end;
    end += next.num_bytes;
  }
  return end == text.size() || last == at ? end : last;
}

}  // namespace

void split_like_gpt2(std::string_view text, std::vector<std::string_view>& pieces) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at + contraction_bytes(text, at);
    if (end == at) {
      Character first = character_at(text, at);
      std::size_t word = at;
      if (text[at] == ' ' && at + 1 < text.size()) {
        const Character second = character_at(text, at + 1);
        if (second.kind != CharacterClass::kSpace) {
          first = second;
          word = at + 1;
        }
      }
      end = first.kind == CharacterClass::kSpace
                ? space_end(text, at)
                : run_end(text, word + first.num_bytes, first.kind);
    }
    pieces.push_back(text.substr(at, end - at));
    at = end;
  }
}

Result<PreTokenizer> PreTokenizer::from_json(const Json& description, std::string_view where) {
  PreTokenizer made;
  if (!description.is_null()) PANAL_TRY(add_step(description, where, 0, made.steps_));
  if (made.steps_.empty() || made.steps_.back().kind != Kind::kByteLevel) {
    return Status(
        Code::kUnsupported,
        fmt::format("{}: expected a byte-level tokenizer, but pre_tokenizer does not end with "
                    "ByteLevel: found {}",
                    where, json_shown(description)));
  }
  return made;
}

Status PreTokenizer::add_step(const Json& description, std::string_view where, int depth,
                              std::vector<Step>& steps) {
  PANAL_ASSIGN(const std::string type, json_string(description, "type", where));
  if (depth > kMaxDepth || steps.size() >= kMaxSteps) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: pre_tokenizer has more than {} steps or {} levels", where,
                              kMaxSteps, kMaxDepth));
  }
  if (type == "Sequence") {
    if (!json_has(description, "pretokenizers") || !description["pretokenizers"].is_array()) {
      return Status(
          Code::kInvalidArgument,
          fmt::format("{}: pre_tokenizer Sequence needs a list \"pretokenizers\"", where));
    }
    for (const Json& item : description["pretokenizers"]) {
      PANAL_TRY(add_step(item, where, depth + 1, steps));
    }
    return {};
  }
  if (!steps.empty() && steps.back().kind == Kind::kByteLevel) {
    return Status(Code::kUnsupported,
                  fmt::format("{}: pre_tokenizer has {} after ByteLevel; {}", where, type, kKnown));
  }
  const auto flag = [&](std::string_view key, bool fallback) -> Result<bool> {
    if (!json_has(description, key)) return fallback;
    return json_boolean(description, key, where);
  };
  Step step;
  if (type == "ByteLevel") {
    PANAL_ASSIGN(step.adds_prefix_space, flag("add_prefix_space", true));
    PANAL_ASSIGN(step.uses_pattern, flag("use_regex", true));
  } else if (type == "Digits") {
    step.kind = Kind::kDigits;
    PANAL_ASSIGN(step.individual_digits, flag("individual_digits", false));
  } else if (type == "Split") {
    PANAL_ASSIGN(step, read_split(description, where));
  } else {
    return Status(Code::kUnsupported, fmt::format("{}: pre_tokenizer \"{}\" is not supported; {}",
                                                  where, type, kKnown));
  }
  steps.push_back(std::move(step));
  return {};
}

Result<PreTokenizer::Step> PreTokenizer::read_split(const Json& description,
                                                    std::string_view where) {
  Step step;
  step.kind = Kind::kSplit;
  if (json_has(description, "invert")) {
    PANAL_ASSIGN(step.is_inverted, json_boolean(description, "invert", where));
  }
  PANAL_ASSIGN(const std::string behavior, json_string(description, "behavior", where));
  if (behavior == "Removed") {
    step.behavior = Behavior::kRemoved;
  } else if (behavior == "Isolated") {
    step.behavior = Behavior::kIsolated;
  } else if (behavior == "MergedWithPrevious") {
    step.behavior = Behavior::kMergedWithPrevious;
  } else if (behavior == "MergedWithNext") {
    step.behavior = Behavior::kMergedWithNext;
  } else if (behavior == "Contiguous") {
    step.behavior = Behavior::kContiguous;
  } else {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: Split has the unknown behavior \"{}\"", where, behavior));
  }
  PANAL_ASSIGN(step.pattern, TextPattern::read(description, "Split", where));
  return step;
}

void PreTokenizer::split(std::string_view text, Pieces& pieces) const {
  pieces.views.clear();
  pieces.owned.clear();
  if (text.empty()) return;
  pieces.views.push_back(text);
  for (const Step& step : steps_) {
    pieces.spare.swap(pieces.views);
    pieces.views.clear();
    for (const std::string_view piece : pieces.spare) apply(step, piece, pieces);
  }
}

void PreTokenizer::apply(const Step& step, std::string_view piece, Pieces& pieces) {
  switch (step.kind) {
    case Kind::kDigits:
      split_by_digits(step, piece, pieces);
      return;
    case Kind::kSplit:
      split_by_pattern(step, piece, pieces);
      return;
    case Kind::kByteLevel:
      if (step.adds_prefix_space && piece.front() != ' ') {
        pieces.owned.push_back(" " + std::string(piece));
        piece = pieces.owned.back();
      }
      if (step.uses_pattern) {
        split_like_gpt2(piece, pieces.views);
      } else {
        pieces.views.push_back(piece);
      }
  }
}

void PreTokenizer::split_by_digits(const Step& step, std::string_view piece, Pieces& pieces) {
  std::size_t begin = 0;
  std::size_t at = 0;
  bool in_digits = false;
  const auto cut = [&] {
    if (at > begin) pieces.views.push_back(piece.substr(begin, at - begin));
    begin = at;
  };
  while (at < piece.size()) {
    const Character next = character_at(piece, at);
    const bool is_digit = next.kind == CharacterClass::kNumber;
    if (is_digit != in_digits || (is_digit && step.individual_digits)) cut();
    in_digits = is_digit;
    at += next.num_bytes;
  }
  cut();
}

void PreTokenizer::split_by_pattern(const Step& step, std::string_view piece, Pieces& pieces) {
  struct Part {
    std::size_t begin;
    std::size_t end;
    bool is_match;
  };
  std::vector<Part> parts;
  std::size_t at = 0;
  const auto found = [&](std::size_t begin, std::size_t end) {
    if (begin > at) parts.push_back({at, begin, step.is_inverted});
    parts.push_back({begin, end, !step.is_inverted});
    at = end;
  };
  step.pattern->for_each_match(piece, found);
  if (at < piece.size()) parts.push_back({at, piece.size(), step.is_inverted});

  std::vector<std::string_view>& out = pieces.views;
  const std::size_t first = out.size();
  bool was_match = false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    const std::string_view view = piece.substr(part.begin, part.end - part.begin);
    const auto join_previous = [&] {
      out.back() = std::string_view(out.back().data(), out.back().size() + view.size());
    };
    switch (step.behavior) {
      case Behavior::kRemoved:
        if (!part.is_match) out.push_back(view);
        break;
      case Behavior::kIsolated:
        out.push_back(view);
        break;
      case Behavior::kMergedWithPrevious:
        if (part.is_match && !was_match && out.size() > first) {
          join_previous();
        } else {
          out.push_back(view);
        }
        break;
      case Behavior::kMergedWithNext:
        if (!part.is_match && was_match) {
          join_previous();
        } else {
          out.push_back(view);
        }
        break;
      case Behavior::kContiguous:
        if (out.size() > first && part.is_match == was_match) {
          join_previous();
        } else {
          out.push_back(view);
        }
        break;
    }
    was_match = part.is_match;
  }
}

}  // namespace panal::tokenizer::detail
