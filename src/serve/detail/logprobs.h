// How likely the tokens of an answer were.
#pragma once

#include <cstdint>
#include <vector>

#include "serve/detail/logit_row.h"
#include "serve/text_decoder.h"
#include "work/generation.h"

namespace panal::serve::detail {

class LogprobReader {
 public:
  /// The `count` likeliest tokens beside `chosen`, from a row that has a best one. Cost: two
  /// passes.
  work::TokenLogprobs read(LogitRow& row, std::int32_t chosen, std::size_t count,
                           const TextDecoder& decoder);

 private:
  std::vector<Candidate> candidates_;  // Scratch.
};

}  // namespace panal::serve::detail
