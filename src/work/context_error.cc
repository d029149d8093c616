#include "work/context_error.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace panal::work {
namespace {

constexpr std::string_view kBeginning = "this model's maximum context length is ";

}  // namespace

Status context_error(const ContextExceeded& exceeded) {
  return Status(Code::kInvalidArgument,
                fmt::format("{}{} tokens, but the prompt has {}: it must be shorter, so that there "
                            "is room for an answer",
                            kBeginning, exceeded.context_tokens, exceeded.prompt_tokens));
}

std::optional<ContextExceeded> context_exceeded_in(std::string_view message) {
  const std::size_t at = message.find(kBeginning);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string counts(message.substr(at + kBeginning.size()));
  ContextExceeded found;
  if (std::sscanf(counts.c_str(), "%18ld tokens, but the prompt has %18ld", &found.context_tokens,
                  &found.prompt_tokens) != 2) {
    return std::nullopt;
  }
  return found;
}

}  // namespace panal::work
