#include "tokenizer/detail/normalizer.h"

#include "base/utf8.h"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

namespace panal::tokenizer::detail {
namespace {

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxSteps = 32;

std::string normal_form(const icu::Normalizer2* form, std::string_view text) {
  UErrorCode error = U_ZERO_ERROR;
  std::string out;
  icu::StringByteSink<std::string> sink(&out, std::int32_t(text.size()));
  form->normalizeUTF8(0, icu::StringPiece(text.data(), std::int32_t(text.size())), sink, nullptr,
                      error);
  return U_SUCCESS(error) ? out : std::string(text);
}

// ICU counts in 32 bits: very long texts are normalised in parts that end before an ASCII
// character, which nothing combines with.
std::string normal_form_of_any_size(const icu::Normalizer2* form, std::string_view text) {
  constexpr std::size_t kPartBytes = std::size_t{1} << 28;
  std::string out;
  while (text.size() > kPartBytes) {
    std::size_t cut = kPartBytes;
    while (cut > 1 && std::uint8_t(text[cut]) >= 0x80) --cut;
    out += normal_form(form, text.substr(0, cut));
    text.remove_prefix(cut);
  }
  return out + normal_form(form, text);
}

// Rust's char::to_lowercase: one character at a time, so no final sigma; U+0130 is the only one
// that grows.
std::string lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = next_character(text);
    if (step.character == 0x130) {
      out += "i\xCC\x87";
    } else {
      append_utf8(out, char32_t(u_tolower(UChar32(step.character))));
    }
    text.remove_prefix(step.num_bytes);
  }
  return out;
}

}  // namespace

Result<Normalizer> Normalizer::from_json(const Json& description, std::string_view where) {
  Normalizer made;
  if (!description.is_null()) PANAL_TRY(add_step(description, where, 0, made.steps_));
  return made;
}

Status Normalizer::add_step(const Json& description, std::string_view where, int depth,
                            std::vector<Step>& steps) {
  PANAL_ASSIGN(const std::string type, json_string(description, "type", where));
  if (depth > kMaxDepth || steps.size() >= kMaxSteps) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: normalizer has more than {} steps or {} levels", where,
                              kMaxSteps, kMaxDepth));
  }
  Step step;
  if (type == "Sequence") {
    if (!json_has(description, "normalizers") || !description["normalizers"].is_array()) {
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: normalizer Sequence needs a list \"normalizers\"", where));
    }
    for (const Json& item : description["normalizers"]) {
      PANAL_TRY(add_step(item, where, depth + 1, steps));
    }
    return {};
  }
  if (type == "NFC") {
    step.kind = Kind::kNfc;
  } else if (type == "NFD") {
    step.kind = Kind::kNfd;
  } else if (type == "NFKC") {
    step.kind = Kind::kNfkc;
  } else if (type == "NFKD") {
    step.kind = Kind::kNfkd;
  } else if (type == "Lowercase") {
    step.kind = Kind::kLowercase;
  } else if (type == "Prepend") {
    step.kind = Kind::kPrepend;
    PANAL_ASSIGN(step.content, json_string(description, "prepend", where));
  } else if (type == "Replace") {
    PANAL_ASSIGN(step, read_replace(description, where));
  } else {
    return Status(
        Code::kUnsupported,
        fmt::format("{}: normalizer \"{}\" is not supported; panal knows NFC, NFD, NFKC, NFKD, "
                    "Lowercase, Prepend, Replace and Sequence of these",
                    where, type));
  }
  steps.push_back(std::move(step));
  return {};
}

Result<Normalizer::Step> Normalizer::read_replace(const Json& description, std::string_view where) {
  Step step;
  step.kind = Kind::kReplace;
  PANAL_ASSIGN(step.content, json_string(description, "content", where));
  PANAL_ASSIGN(step.pattern, TextPattern::read(description, "Replace", where));
  return step;
}

std::string Normalizer::apply(std::string_view text) const {
  std::string current(text);
  for (const Step& step : steps_) current = apply_step(step, current);
  return current;
}

std::string Normalizer::apply_step(const Step& step, std::string_view text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* form = nullptr;
  switch (step.kind) {
    case Kind::kNfc:
      form = icu::Normalizer2::getNFCInstance(error);
      break;
    case Kind::kNfd:
      form = icu::Normalizer2::getNFDInstance(error);
      break;
    case Kind::kNfkc:
      form = icu::Normalizer2::getNFKCInstance(error);
      break;
    case Kind::kNfkd:
      form = icu::Normalizer2::getNFKDInstance(error);
      break;
    case Kind::kLowercase:
      return lower_case(text);
    case Kind::kPrepend:
      return text.empty() ? std::string() : step.content + std::string(text);
    case Kind::kReplace: {
      std::string out;
      std::size_t at = 0;
      const auto found = [&](std::size_t begin, std::size_t end) {
        out.append(text.substr(at, begin - at)).append(step.content);
        at = end;
      };
      step.pattern->for_each_match(text, found);
      return out.append(text.substr(at));
    }
  }
  PANAL_CHECK(form != nullptr && U_SUCCESS(error), u_errorName(error));
  return normal_form_of_any_size(form, text);
}

}  // namespace panal::tokenizer::detail
