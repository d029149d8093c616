#include "data/token_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"

namespace panal::data {
namespace {

constexpr std::string_view kFormat = "panal-token-stream";
constexpr std::int64_t kMaxExact = std::int64_t{1} << 53;  // What every JSON reader holds exactly.

std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

}  // namespace

std::string_view packing_name(Packing packing) {
  return packing == Packing::kWithinDocuments ? "within_documents" : "across_documents";
}

IndexPermutation::IndexPermutation(std::uint64_t count, std::uint64_t seed) : count_(count) {
  PANAL_CHECK(count > 0, "a permutation needs at least one element");
  // Two halves of equal width cover at most four times the count, so a walk takes four steps on
  // average.
  half_bits_ = std::max(1, (static_cast<int>(std::bit_width(count - 1)) + 1) / 2);
  for (std::uint64_t i = 0; i < 4; ++i) keys_[i] = derive_seed(seed, i + 1);
}

std::uint64_t IndexPermutation::operator()(std::uint64_t index) const {
  PANAL_CHECK(index < count_, "index outside the permutation");
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  do {
    std::uint64_t left = index >> half_bits_;
    std::uint64_t right = index & mask;
    for (const std::uint64_t key : keys_) {
      const std::uint64_t next = left ^ (mix(right ^ key) & mask);
      left = right;
      right = next;
    }
    index = left << half_bits_ | right;
  } while (index >= count_);
  return index;
}

Result<TokenStream> TokenStream::open(std::vector<TokenShard> shards,
                                      const TokenStreamOptions& options) {
  const auto refuse = [](std::string message) {
    return Status(Code::kInvalidArgument, std::move(message));
  };
  if (shards.empty()) return refuse("a token stream needs at least one shard");
  constexpr std::int64_t kMost = 1 << 24;
  if (options.batch < 1 || options.batch > kMost || options.context < 1 ||
      options.context > kMost) {
    return refuse(fmt::format("batch and context must be from 1 to {}, found {} and {}", kMost,
                              options.batch, options.context));
  }
  TokenStream stream;
  const std::int64_t vocabulary = shards.front().vocabulary_size();
  for (const TokenShard& shard : shards) {
    if (shard.vocabulary_size() != vocabulary) {
      return refuse(
          fmt::format("the shards are from different tokenizers: vocabularies of {} and {} ids",
                      vocabulary, shard.vocabulary_size()));
    }
    stream.shard_begin_.push_back(stream.num_tokens_);
    stream.num_tokens_ += shard.num_tokens() + shard.num_documents();
  }
  stream.shard_begin_.push_back(stream.num_tokens_);
  if (options.end_of_text < 0 || options.end_of_text >= vocabulary) {
    return refuse(fmt::format("the end-of-text token {} is outside the vocabulary of {} ids",
                              options.end_of_text, vocabulary));
  }
  stream.num_windows_ = (stream.num_tokens_ - 1) / options.context;
  if (stream.num_windows_ < 1) {
    return refuse(
        fmt::format("the data is shorter than one window: {} tokens with end-of-text tokens, but a "
                    "context of {} needs {}",
                    stream.num_tokens_, options.context, options.context + 1));
  }
  stream.shards_ = std::move(shards);
  stream.options_ = options;
  return stream;
}

bool TokenStream::has_mask() const {
  return std::ranges::any_of(shards_, [](const TokenShard& shard) { return shard.has_mask(); });
}

Status TokenStream::copy_tokens(std::int64_t begin, std::span<std::int32_t> out,
                                std::span<std::int32_t> first_keys,
                                std::span<std::uint8_t> is_learned) const {
  const std::int64_t window_begin = begin;
  const bool wants_keys = !first_keys.empty();
  const bool wants_mask = !is_learned.empty();
  while (!out.empty()) {
    const auto after = std::ranges::upper_bound(shard_begin_, begin);
    const auto index = static_cast<std::size_t>(after - shard_begin_.begin()) - 1;
    const TokenShard& shard = shards_[index];
    const std::int64_t inside = begin - shard_begin_[index];
    // Document d takes laid-out positions up to document_end(d) + d, where its end-of-text token
    // stands.
    std::int64_t low = 0;
    std::int64_t high = shard.num_documents() - 1;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (shard.document_end(middle) + middle < inside) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const std::int64_t text_begin = inside - low;
    const std::int64_t text_left = shard.document_end(low) - text_begin;
    const auto count = std::min<std::size_t>(static_cast<std::size_t>(text_left), out.size());
    PANAL_TRY(shard.read(text_begin, out.first(count)));
    const std::size_t taken = std::min(count + 1, out.size());
    if (taken > count) out[count] = options_.end_of_text;
    if (wants_keys) {
      const std::int64_t document = shard_begin_[index] + shard.document_begin(low) + low;
      const auto first = std::max<std::int64_t>(0, document - window_begin);
      std::ranges::fill(first_keys.first(taken), static_cast<std::int32_t>(first));
      first_keys = first_keys.subspan(taken);
    }
    if (wants_mask) {
      PANAL_TRY(shard.read_learned(text_begin, is_learned.first(count)));
      if (taken > count) {
        PANAL_ASSIGN(is_learned[count], shard.is_end_learned(low));
      }
      is_learned = is_learned.subspan(taken);
    }
    begin += static_cast<std::int64_t>(taken);
    out = out.subspan(taken);
  }
  return Status();
}

Status TokenStream::read_window(std::int64_t index, std::span<std::int32_t> window,
                                std::span<std::int32_t> first_keys,
                                std::span<std::uint8_t> is_learned) const {
  PANAL_CHECK(index >= 0 && index < num_windows_, "window index out of range");
  PANAL_CHECK(static_cast<std::int64_t>(window.size()) == options_.context + 1,
              "a window is context + 1 tokens");
  PANAL_CHECK(first_keys.empty() || first_keys.size() == window.size(),
              "every token of a window has a first key");
  PANAL_CHECK(is_learned.empty() || is_learned.size() == window.size(),
              "every token of a window is learned or not");
  return copy_tokens(index * options_.context, window, first_keys, is_learned);
}

Status TokenStream::next_window(std::span<std::int32_t> window, std::span<std::int32_t> first_keys,
                                std::span<std::uint8_t> is_learned) {
  const auto place = static_cast<std::uint64_t>(position_.window);
  std::uint64_t index = place;
  if (options_.shuffle) {
    const auto seed = derive_seed(options_.seed, static_cast<std::uint64_t>(position_.epoch));
    index = IndexPermutation(static_cast<std::uint64_t>(num_windows_), seed)(place);
  }
  PANAL_TRY(read_window(static_cast<std::int64_t>(index), window, first_keys, is_learned));
  if (++position_.window == num_windows_) position_ = {.epoch = position_.epoch + 1, .window = 0};
  return Status();
}

void TokenStream::go_to(std::int64_t num_drawn) {
  PANAL_CHECK(num_drawn >= 0, "a stream begins at window 0");
  position_ = {.epoch = num_drawn / num_windows_, .window = num_drawn % num_windows_};
}

Status TokenStream::next(std::vector<std::int32_t>& windows) {
  const Position before = position_;
  const auto width = static_cast<std::size_t>(options_.context + 1);
  windows.resize(static_cast<std::size_t>(options_.batch) * width);
  for (std::size_t row = 0; row < static_cast<std::size_t>(options_.batch); ++row) {
    if (Status status = next_window(std::span(windows).subspan(row * width, width)); !status.ok()) {
      position_ = before;
      return status;
    }
  }
  return Status();
}

Status TokenStream::next(TokenBatch& batch) {
  const Position before = position_;
  Window window(options_, has_mask());
  for (std::int64_t row = 0; row < options_.batch; ++row) {
    if (Status status = next_window(window.tokens, window.first_keys, window.is_learned);
        !status.ok()) {
      position_ = before;
      return status;
    }
    put_window(window, row, options_.batch, batch);
  }
  return Status();
}

Window::Window(const TokenStreamOptions& options, bool has_mask)
    : tokens(static_cast<std::size_t>(options.context + 1)),
      first_keys(options.packing == Packing::kWithinDocuments ? tokens.size() : 0),
      is_learned(has_mask ? tokens.size() : 0) {}

void put_window(const Window& window, std::int64_t row, std::int64_t batch, TokenBatch& out) {
  PANAL_CHECK(window.tokens.size() > 1 && row >= 0 && row < batch,
              "a row of the batch takes a window");
  const std::size_t context = window.tokens.size() - 1;
  const std::size_t begin = static_cast<std::size_t>(row) * context;
  const std::size_t size = static_cast<std::size_t>(batch) * context;
  const auto& first_keys = window.first_keys;
  out.tokens.resize(size);
  out.targets.resize(size);
  out.first_keys.resize(first_keys.empty() ? 0 : size);
  std::copy_n(window.tokens.begin(), context, out.tokens.begin() + std::ptrdiff_t(begin));
  std::copy_n(window.tokens.begin() + 1, context, out.targets.begin() + std::ptrdiff_t(begin));
  for (std::size_t i = 0; i < context && !window.is_learned.empty(); ++i) {
    if (window.is_learned[i + 1] == 0) out.targets[begin + i] = kNoTarget;
  }
  if (first_keys.empty()) return;
  std::copy_n(first_keys.begin(), context, out.first_keys.begin() + std::ptrdiff_t(begin));
  for (std::size_t i = 0; i < context; ++i) {
    if (first_keys[i + 1] != first_keys[i]) out.targets[begin + i] = kNoTarget;
  }
}

// Each shard's checksum covers all its tokens.
std::uint64_t TokenStream::data_identity() const {
  std::vector<std::uint64_t> seen;
  for (const TokenShard& shard : shards_) seen.push_back(shard.content_checksum());
  return xxh3_64(std::as_bytes(std::span(seen)));
}

Json TokenStream::state() const {
  return Json{{"format", kFormat},
              {"version", 2},
              {"seed", fmt::format("{:016x}", options_.seed)},
              {"shuffle", options_.shuffle},
              {"batch", options_.batch},
              {"context", options_.context},
              {"end_of_text", options_.end_of_text},
              {"data", fmt::format("{:016x}", data_identity())},
              {"epoch", position_.epoch},
              {"window", position_.window}};
}

Status TokenStream::restore(const Json& saved) {
  constexpr std::string_view kWhere = "token stream state";
  PANAL_ASSIGN(const std::string format, json_string(saved, "format", kWhere));
  if (format != kFormat) {
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: expected \"format\": \"{}\", found \"{}\"", kWhere, kFormat, format));
  }
  const Json own = state();
  for (const char* key :
       {"version", "seed", "shuffle", "batch", "context", "end_of_text", "data"}) {
    if (!saved.contains(key)) {
      return Status(Code::kInvalidArgument, fmt::format("{}: \"{}\" is missing", kWhere, key));
    }
    if (saved.at(key) != own.at(key)) {
      return Status(Code::kConflict,
                    fmt::format("{}: \"{}\" is {} there, but this stream has {}: it cannot go on "
                                "exactly where the other stopped",
                                kWhere, key, json_shown(saved.at(key)), json_shown(own.at(key))));
    }
  }
  PANAL_ASSIGN(const std::int64_t epoch,
               json_integer(saved, "epoch", kWhere, 0, kMaxExact / num_windows_ - 1));
  PANAL_ASSIGN(const std::int64_t window,
               json_integer(saved, "window", kWhere, 0, num_windows_ - 1));
  position_ = {.epoch = epoch, .window = window};
  return Status();
}

}  // namespace panal::data
