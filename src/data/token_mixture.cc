#include "data/token_mixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"

namespace panal::data {
namespace {

using Wide = __int128;  // Products of weights (48 bits), draws (53) and sums (56).

constexpr std::string_view kFormat = "panal-token-mixture";
constexpr std::size_t kMostSources = 256;
constexpr std::int64_t kMaxExact = std::int64_t{1} << 53;  // What every JSON reader holds exactly.

Status refuse(std::string message) { return Status(Code::kInvalidArgument, std::move(message)); }

Status check_sources(std::span<const MixtureSource> sources) {
  if (sources.empty() || sources.size() > kMostSources) {
    return refuse(
        fmt::format("a mixture has 1 to {} sources, found {}", kMostSources, sources.size()));
  }
  std::set<std::string_view> names;
  for (const MixtureSource& source : sources) {
    if (source.name.empty() || !names.insert(source.name).second) {
      return refuse(fmt::format("every source needs a name of its own, found \"{}\"{}", source.name,
                                source.name.empty() ? "" : " twice"));
    }
    if (!std::isfinite(source.weight) || source.weight <= 0) {
      return refuse(fmt::format("source \"{}\": the weight must be a number over 0, found {}",
                                source.name, source.weight));
    }
    if (source.shards.empty()) {
      return refuse(fmt::format("source \"{}\" is empty: it has no token shard", source.name));
    }
    const std::int64_t first = sources.front().shards.front().vocabulary_size();
    if (const std::int64_t found = source.shards.front().vocabulary_size(); found != first) {
      return refuse(
          fmt::format("source \"{}\" is from another tokenizer: expected a vocabulary of "
                      "{} ids, found {}",
                      source.name, first, found));
    }
  }
  return Status();
}

}  // namespace

ShareOrder::ShareOrder(std::span<const double> weights) {
  PANAL_CHECK(!weights.empty() && weights.size() <= kMostSources, "1 to 256 weights");
  const double largest = *std::ranges::max_element(weights);
  for (const double weight : weights) {
    PANAL_CHECK(std::isfinite(weight) && weight > 0, "a weight is a number over 0");
    const auto rounded = std::llround(weight / largest * 0x1.0p48);
    weights_.push_back(std::max<std::int64_t>(1, rounded));
  }
  sum_ = std::accumulate(weights_.begin(), weights_.end(), std::int64_t{0});
}

double ShareOrder::share(std::size_t index) const {
  return static_cast<double>(weights_[index]) / static_cast<double>(sum_);
}

// With k sources of shares s and e = 1 / (2 k - 2): of those whose share of n + 1 draws is at least
// e over what they had, the one that would be 1 - e behind the soonest. Everything is multiplied by
// (2 k - 2) * sum.
std::size_t ShareOrder::next(std::span<const std::int64_t> drawn) const {
  PANAL_CHECK(drawn.size() == weights_.size(), "one count for each weight");
  const std::size_t k = weights_.size();
  if (k == 1) return 0;
  const Wide scale = 2 * static_cast<Wide>(k) - 2;
  const auto total = std::accumulate(drawn.begin(), drawn.end(), std::int64_t{1});
  std::size_t best = k;
  Wide best_room = 0;
  for (std::size_t i = 0; i < k; ++i) {
    const Wide behind =
        scale * (static_cast<Wide>(weights_[i]) * total - static_cast<Wide>(drawn[i]) * sum_);
    if (behind < sum_) continue;
    // Time until it must be drawn is room / weight.
    const Wide room = (scale - 1) * sum_ - behind;
    if (best == k || room * weights_[best] < best_room * weights_[i]) {
      best = i;
      best_room = room;
    }
  }
  PANAL_CHECK(best < k, "the shares add up to one, so one source is always behind");
  return best;
}

Result<TokenMixture> TokenMixture::open(std::vector<MixtureSource> sources,
                                        const TokenStreamOptions& options) {
  PANAL_TRY(check_sources(sources));
  std::vector<double> weights;
  std::vector<Source> opened;
  for (MixtureSource& source : sources) {
    TokenStreamOptions own = options;
    if (sources.size() > 1) own.seed = derive_seed(options.seed, xxh3_64(source.name));
    auto stream = TokenStream::open(std::move(source.shards), own);
    if (!stream.ok())
      return stream.status().with_context(fmt::format("source \"{}\"", source.name));
    weights.push_back(source.weight);
    opened.push_back({.name = std::move(source.name), .stream = std::move(*stream)});
  }
  return TokenMixture(std::move(opened), ShareOrder(weights), options);
}

Status TokenMixture::next_rows(TokenBatch& batch) {
  Window window(options_, has_mask());
  for (std::int64_t row = 0; row < options_.batch; ++row) {
    const std::size_t chosen = order_.next(drawn_);
    PANAL_TRY(
        sources_[chosen].stream.next_window(window.tokens, window.first_keys, window.is_learned));
    ++drawn_[chosen];
    put_window(window, row, options_.batch, batch);
  }
  return Status();
}

Status TokenMixture::next(TokenBatch& batch) {
  const std::vector<std::int64_t> before = drawn_;
  const Status status = next_rows(batch);
  if (status.ok()) return status;
  drawn_ = before;
  for (std::size_t i = 0; i < sources_.size(); ++i) sources_[i].stream.go_to(drawn_[i]);
  return status;
}

bool TokenMixture::has_mask() const {
  return std::ranges::any_of(sources_,
                             [](const Source& source) { return source.stream.has_mask(); });
}

std::int64_t TokenMixture::num_tokens() const {
  std::int64_t sum = 0;
  for (const Source& source : sources_) sum += source.stream.num_tokens();
  return sum;
}

std::vector<SourceUse> TokenMixture::use() const {
  std::vector<SourceUse> uses;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    uses.push_back({.name = sources_[i].name,
                    .share = order_.share(i),
                    .num_tokens = sources_[i].stream.num_tokens(),
                    .num_windows = sources_[i].stream.num_windows(),
                    .windows = drawn_[i]});
  }
  return uses;
}

Json TokenMixture::state() const {
  Json list = Json::array();
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    list.push_back({{"name", sources_[i].name},
                    {"share", order_.share(i)},
                    {"windows", drawn_[i]},
                    {"stream", sources_[i].stream.state()}});
  }
  return {{"format", kFormat}, {"version", 1}, {"sources", std::move(list)}};
}

Status TokenMixture::restore(const Json& saved) {
  constexpr std::string_view kWhere = "token mixture state";
  PANAL_ASSIGN(const std::string format, json_string(saved, "format", kWhere));
  if (format != kFormat || !json_has(saved, "sources") || !saved["sources"].is_array()) {
    return refuse(
        fmt::format("{}: expected \"format\": \"{}\" with a list \"sources\", found \"{}\"", kWhere,
                    kFormat, format));
  }
  const Json& list = saved["sources"];
  if (list.size() != sources_.size()) {
    return Status(Code::kConflict,
                  fmt::format("{}: {} sources there, but this run has {}: it cannot go on exactly "
                              "where the other stopped",
                              kWhere, list.size(), sources_.size()));
  }
  std::vector<Source> restored = sources_;
  std::vector<std::int64_t> drawn;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const std::string where = fmt::format("{}, source \"{}\"", kWhere, sources_[i].name);
    PANAL_ASSIGN(const std::string name, json_string(list[i], "name", where));
    PANAL_ASSIGN(const double share, json_number(list[i], "share", where, 0, 1));
    if (name != sources_[i].name || share != order_.share(i)) {
      return Status(Code::kConflict,
                    fmt::format("{}: source \"{}\" of share {} there, but \"{}\" of share {} here",
                                kWhere, name, share, sources_[i].name, order_.share(i)));
    }
    PANAL_ASSIGN(const std::int64_t windows,
                 json_integer(list[i], "windows", where, 0, kMaxExact >> 8));
    if (!json_has(list[i], "stream")) return refuse(where + ": \"stream\" is missing");
    const Status status = restored[i].stream.restore(list[i]["stream"]);
    if (!status.ok()) return status.with_context(where);
    if (restored[i].stream.num_drawn() != windows) {
      return refuse(fmt::format("{}: {} windows were drawn, but the stream stands at {}", where,
                                windows, restored[i].stream.num_drawn()));
    }
    drawn.push_back(windows);
  }
  sources_ = std::move(restored);
  drawn_ = std::move(drawn);
  return Status();
}

}  // namespace panal::data
