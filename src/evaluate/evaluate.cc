// Windows of a text or heads of documents, gathered into batches of equal or similar length and
// scored without gradients.
#include "evaluate/evaluate.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "base/error.h"
#include "model/decoder.h"
#include "tokenizer/tokenizer.h"

namespace panal::evaluate {
namespace {

constexpr std::int64_t kNotScored = -100;  // torch's ignore_index.

Status check_options(const model::Decoder& decoder, std::int64_t context, std::int64_t batch) {
  const std::int64_t longest = decoder.config().context_length;
  if (context < 2 || context > longest) {
    return Status(Code::kInvalidArgument,
                  fmt::format("evaluation: a window must have 2 to {} tokens (the model's context "
                              "length), found {}",
                              longest, context));
  }
  if (batch < 1 || batch > 1 << 16) {
    return Status(Code::kInvalidArgument,
                  fmt::format("evaluation: a batch must have 1 to 65536 windows, found {}", batch));
  }
  return Status();
}

Status check_tokens(std::span<const std::int32_t> tokens, std::int64_t vocabulary_size) {
  const auto wrong = std::ranges::find_if(
      tokens, [&](std::int32_t token) { return token < 0 || token >= vocabulary_size; });
  if (wrong == tokens.end()) return Status();
  return Status(
      Code::kInvalidArgument,
      fmt::format("evaluation: token ids must be below the model's vocabulary of {}, found {} at "
                  "position {}: does the tokenizer belong to the model?",
                  vocabulary_size, *wrong, wrong - tokens.begin()));
}

// Tokens that are read together, and whether each is scored; the first never is. Without marks all
// others are.
struct EvaluatedWindow {
  std::span<const std::int32_t> tokens;
  std::span<const std::uint8_t> is_scored{};

  bool scores(std::size_t i) const { return i > 0 && (is_scored.empty() || is_scored[i] != 0); }
};

// Loss of every token but the first of each window, [windows, longest - 1]; zero where a token is
// not scored, and after the end of a shorter window.
at::Tensor losses_of(const model::Decoder& decoder, std::span<const EvaluatedWindow> windows) {
  std::size_t longest = 2;
  for (const auto& window : windows) longest = std::max(longest, window.tokens.size());
  const auto rows = static_cast<std::int64_t>(windows.size());
  const auto columns = static_cast<std::int64_t>(longest) - 1;
  const at::Tensor inputs = at::full({rows, columns}, 0, at::kLong);
  const at::Tensor targets = at::full({rows, columns}, kNotScored, at::kLong);
  auto* input = inputs.data_ptr<std::int64_t>();
  auto* target = targets.data_ptr<std::int64_t>();
  for (const auto& window : windows) {
    std::copy(window.tokens.begin(), window.tokens.end() - 1, input);
    for (std::size_t i = 1; i < window.tokens.size(); ++i) {
      if (window.scores(i)) target[i - 1] = window.tokens[i];
    }
    input += columns;
    target += columns;
  }
  return decoder.token_losses(inputs, targets);
}

void report(const std::function<void(double)>& on_progress, std::size_t done, std::size_t all) {
  if (on_progress) on_progress(static_cast<double>(done) / static_cast<double>(all));
}

Status cancelled() { return Status(Code::kCancelled, "evaluation: stopped on request"); }

std::vector<EvaluatedWindow> windows_of(std::span<const std::int32_t> tokens,
                                        std::span<const std::uint8_t> is_scored,
                                        std::int64_t context) {
  std::vector<EvaluatedWindow> windows;
  for (std::size_t begin = 0; begin + 1 < tokens.size();
       begin += static_cast<std::size_t>(context)) {
    const auto length = std::min(static_cast<std::size_t>(context), tokens.size() - begin);
    EvaluatedWindow window{.tokens = tokens.subspan(begin, length)};
    if (!is_scored.empty()) {
      window.is_scored = is_scored.subspan(begin, length);
      if (std::ranges::count(window.is_scored.subspan(1), 0) == std::ptrdiff_t(length) - 1)
        continue;
    }
    windows.push_back(window);
  }
  return windows;
}

Result<Evaluation> evaluate_windows(const model::Decoder& decoder,
                                    std::span<const EvaluatedWindow> windows,
                                    const EvaluateOptions& options) {
  const at::NoGradGuard no_gradients;
  Evaluation found;
  double sum = 0;
  std::size_t bytes = 0;
  const auto batch = static_cast<std::size_t>(options.batch);
  for (std::size_t begin = 0; begin < windows.size(); begin += batch) {
    if (options.stop.stop_requested()) return cancelled();
    const auto part = windows.subspan(begin, std::min(batch, windows.size() - begin));
    sum += losses_of(decoder, part).sum(at::kDouble).item<double>();
    for (const auto& window : part) {
      for (std::size_t i = 1; i < window.tokens.size(); ++i) {
        if (!window.scores(i)) continue;
        ++found.tokens;
        if (options.tokenizer != nullptr) {
          bytes += options.tokenizer->token_bytes(window.tokens[i]).size();
        }
      }
    }
    found.windows += static_cast<std::int64_t>(part.size());
    report(options.on_progress, begin + part.size(), windows.size());
  }
  found.loss = sum / static_cast<double>(found.tokens);
  found.perplexity = std::exp(found.loss);
  if (bytes > 0) found.bits_per_byte = sum / std::numbers::ln2 / static_cast<double>(bytes);
  return found;
}

Result<std::vector<double>> mean_losses(const model::Decoder& decoder,
                                        const std::vector<std::vector<std::int32_t>>& heads,
                                        const DocumentLossOptions& options) {
  const at::NoGradGuard no_gradients;
  std::vector<double> means(heads.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<std::size_t>
      order;  // Scored documents, the longest first: memory peaks at once or never.
  for (std::size_t i = 0; i < heads.size(); ++i) {
    if (heads[i].size() >= 2) order.push_back(i);
  }
  std::ranges::stable_sort(
      order, [&](std::size_t a, std::size_t b) { return heads[a].size() > heads[b].size(); });
  const auto batch = static_cast<std::size_t>(options.batch);
  for (std::size_t begin = 0; begin < order.size(); begin += batch) {
    if (options.stop.stop_requested()) return cancelled();
    const std::size_t end = std::min(order.size(), begin + batch);
    std::vector<EvaluatedWindow> windows;
    for (std::size_t i = begin; i < end; ++i) windows.push_back({.tokens = heads[order[i]]});
    const at::Tensor sums = losses_of(decoder, windows).sum(1, false, at::kDouble);
    for (std::size_t i = begin; i < end; ++i) {
      means[order[i]] =
          sums.data_ptr<double>()[i - begin] / static_cast<double>(heads[order[i]].size() - 1);
    }
    report(options.on_progress, end, order.size());
  }
  return means;
}

}  // namespace

Result<Evaluation> evaluate(const model::Decoder& decoder, std::span<const std::int32_t> tokens,
                            const EvaluateOptions& options) {
  if (options.max_tokens > 0 && static_cast<std::size_t>(options.max_tokens) < tokens.size()) {
    tokens = tokens.first(static_cast<std::size_t>(options.max_tokens));
  }
  PANAL_TRY(check_options(decoder, options.context, options.batch));
  PANAL_TRY(check_tokens(tokens, decoder.config().vocabulary_size));
  if (tokens.size() < 2) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("evaluation: a text must have at least 2 tokens to score one, found {}",
                    tokens.size()));
  }
  PANAL_CHECK(options.is_scored.empty() || options.is_scored.size() >= tokens.size(),
              "one mark for each token");
  const auto windows = windows_of(tokens, options.is_scored, options.context);
  if (windows.empty()) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("evaluation: none of the {} tokens is one that is scored", tokens.size()));
  }
  return capture([&] { return evaluate_windows(decoder, windows, options); });
}

Result<std::vector<double>> document_losses(const model::Decoder& decoder,
                                            const tokenizer::Tokenizer& tokenizer,
                                            std::span<const data::Document> documents,
                                            const DocumentLossOptions& options) {
  PANAL_TRY(check_options(decoder, options.max_tokens_per_document, options.batch));
  const auto most = static_cast<std::size_t>(options.max_tokens_per_document);
  std::vector<std::vector<std::int32_t>> heads;
  for (const auto& document : documents) {
    if (options.stop.stop_requested()) return cancelled();
    // A token is at least a byte and seldom over 16: the rest of a long text need not be encoded.
    // The last tokens of a cut text may differ from those of the whole, so more is kept than is
    // used.
    std::size_t bytes = std::min(document.text.size(), most * 32);
    while (bytes > 0 && bytes < document.text.size() && (document.text[bytes] & 0xC0) == 0x80)
      --bytes;
    auto tokens = tokenizer.encode(std::string_view(document.text).substr(0, bytes));
    tokens.resize(std::min(tokens.size(), most));
    PANAL_TRY(check_tokens(tokens, decoder.config().vocabulary_size));
    heads.push_back(std::move(tokens));
  }
  return capture([&] { return mean_losses(decoder, heads, options); });
}

}  // namespace panal::evaluate
