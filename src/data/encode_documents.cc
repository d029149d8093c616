#include "data/encode_documents.h"

#include <fmt/format.h>

#include "data/detail/parallel_documents.h"

namespace panal::data {

Result<std::vector<std::vector<std::int32_t>>> encode_documents(
    const tokenizer::Tokenizer& tokenizer, std::span<const std::string_view> texts,
    const EncodeOptions& options) {
  if (options.threads < 0 || options.threads > detail::kMostThreads) {
    return Status(Code::kInvalidArgument, fmt::format("threads must be from 0 to {}, found {}",
                                                      detail::kMostThreads, options.threads));
  }
  std::vector<std::vector<std::int32_t>> tokens(texts.size());
  detail::for_each_document(texts.size(), options.threads, options.stop,
                            [&](std::size_t i) { tokens[i] = tokenizer.encode(texts[i]); });
  if (options.stop.stop_requested()) {
    return Status(Code::kCancelled, "stopped while documents were being encoded");
  }
  return tokens;
}

}  // namespace panal::data
