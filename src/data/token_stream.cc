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

void TokenStream::copy_tokens(std::int64_t begin, std::span<std::int32_t> out) const {
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
    shard.read(text_begin, out.first(count));
    begin += static_cast<std::int64_t>(count);
    out = out.subspan(count);
    if (out.empty()) break;
    out.front() = options_.end_of_text;
    ++begin;
    out = out.subspan(1);
  }
}

void TokenStream::read_window(std::int64_t index, std::span<std::int32_t> out) const {
  PANAL_CHECK(index >= 0 && index < num_windows_, "window index out of range");
  PANAL_CHECK(static_cast<std::int64_t>(out.size()) == options_.context + 1,
              "a window is context + 1 tokens");
  copy_tokens(index * options_.context, out);
}

void TokenStream::next(std::vector<std::int32_t>& batch) {
  const auto width = static_cast<std::size_t>(options_.context + 1);
  batch.resize(static_cast<std::size_t>(options_.batch) * width);
  for (std::size_t row = 0; row < static_cast<std::size_t>(options_.batch); ++row) {
    const IndexPermutation order(static_cast<std::uint64_t>(num_windows_),
                                 derive_seed(options_.seed, static_cast<std::uint64_t>(epoch_)));
    const auto window = static_cast<std::uint64_t>(window_);
    const std::uint64_t index = options_.shuffle ? order(window) : window;
    read_window(static_cast<std::int64_t>(index), std::span(batch).subspan(row * width, width));
    if (++window_ == num_windows_) {
      window_ = 0;
      ++epoch_;
    }
  }
}

std::vector<std::int32_t> TokenStream::next() {
  std::vector<std::int32_t> batch;
  next(batch);
  return batch;
}

// Enough to notice other data: shapes of all shards and a sample of tokens from each.
std::uint64_t TokenStream::data_identity() const {
  std::vector<std::int64_t> seen;
  constexpr std::int64_t kSamples = 64;
  for (const TokenShard& shard : shards_) {
    seen.insert(seen.end(), {shard.vocabulary_size(), shard.num_tokens(), shard.num_documents()});
    for (std::int64_t i = 0; i < kSamples; ++i) {
      seen.push_back(
          shard.token((shard.num_tokens() - 1) / (kSamples - 1) * i % shard.num_tokens()));
    }
  }
  return xxh3_64(std::as_bytes(std::span(seen)));
}

Json TokenStream::state() const {
  return Json{{"format", kFormat},
              {"version", 1},
              {"seed", fmt::format("{:016x}", options_.seed)},
              {"shuffle", options_.shuffle},
              {"batch", options_.batch},
              {"context", options_.context},
              {"end_of_text", options_.end_of_text},
              {"data", fmt::format("{:016x}", data_identity())},
              {"epoch", epoch_},
              {"window", window_}};
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
  PANAL_ASSIGN(const std::int64_t epoch, json_integer(saved, "epoch", kWhere, 0, kMaxExact));
  PANAL_ASSIGN(const std::int64_t window,
               json_integer(saved, "window", kWhere, 0, num_windows_ - 1));
  epoch_ = epoch;
  window_ = window;
  return Status();
}

}  // namespace panal::data
