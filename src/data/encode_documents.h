// Many documents become tokens on many threads. Each document is encoded by itself into its own
// place, so the result is the same for any number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace panal::data {

struct EncodeOptions {
  int threads = 0;  // 0: as many as the machine has; at most 256.
  std::stop_token stop = {};
};

/// tokenizer.encode() of every text, in order. Errors: kCancelled when stopped in between;
/// kInvalidArgument for threads out of range. Cost: that of encode, divided by the threads while
/// there are more documents than threads; a single huge document is one thread's work.
Result<std::vector<std::vector<std::int32_t>>> encode_documents(
    const tokenizer::Tokenizer& tokenizer, std::span<const std::string_view> texts,
    const EncodeOptions& options = {});

}  // namespace panal::data
