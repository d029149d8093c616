// A text as the token ids a model sees.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "hub/hive.h"

namespace panal::hub {

struct TokenizeText {
  std::string model{};           // A registered name or a path.
  std::string text{};            // Bytes that are not UTF-8 become U+FFFD.
  std::string special = "read";  // Special tokens of the text, and BOS: or "none".
};

struct TokenizedText {
  std::vector<std::int32_t> ids{};
};
Json to_json(const TokenizedText& tokenized);

/// Errors: kNotFound for the model; those of Tokenizer::load.
Result<TokenizedText> tokenize_text(Hive& hive, const TokenizeText& request);

}  // namespace panal::hub
