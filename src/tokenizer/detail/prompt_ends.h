// What a tokenizer puts before and after a prompt, as tokenizer.json says it in a post-processor.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace panal::tokenizer::detail {

struct PromptEnds {
  std::vector<std::int32_t> prefix;
  std::vector<std::int32_t> suffix;
};

/// Of a single text. Known: null, ByteLevel, TemplateProcessing, RobertaProcessing, BertProcessing
/// and a Sequence of these. `is_token` tells ids that exist. Errors, naming `where`: kUnsupported
/// for another type; kInvalidArgument for one that is not as `tokenizers` writes it.
Result<PromptEnds> read_post_processor(const Json& post_processor, std::string_view where,
                                       const std::function<bool(std::int64_t)>& is_token);

struct NamedToken {
  std::string_view text;
  std::int32_t id = 0;
};

/// TemplateProcessing that puts `bos` before and `eos` after a text, or null when both are missing.
Json post_processor_for(const std::optional<NamedToken>& bos, const std::optional<NamedToken>& eos);

}  // namespace panal::tokenizer::detail
