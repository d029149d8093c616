#include "data/deduplicate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "base/hash.h"
#include "data/detail/parallel_documents.h"
#include "data/detail/shingles.h"

namespace panal::data {
namespace {

constexpr double kRecall = 0.999;     // At the threshold.
constexpr std::size_t kBlock = 4096;  // Documents whose signatures exist at one time.
constexpr std::size_t kMostCandidates = 64;
constexpr std::size_t kExamples = 3;
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// More rows to a band let fewer dissimilar pairs through, and fewer similar ones.
std::size_t rows_for(double threshold) {
  std::size_t rows = 1;
  for (std::size_t r = 2; r <= 16; ++r) {
    const auto bands = static_cast<double>(detail::kSignatureValues / r);
    const double found = 1 - std::pow(1 - std::pow(threshold, static_cast<double>(r)), bands);
    if (found >= kRecall) rows = r;
  }
  return rows;
}

// From a band's hash to the documents that have it: chains in one array.
class BandIndex {
 public:
  BandIndex() : heads_(1 << 12, kNone) {}
  void add(std::uint64_t key, std::uint32_t document) {
    if (entries_.size() >= heads_.size()) grow();
    std::uint32_t& head = heads_[key & (heads_.size() - 1)];
    entries_.push_back({.key = key, .document = document, .next = head});
    head = static_cast<std::uint32_t>(entries_.size() - 1);
  }
  void find(std::uint64_t key, std::vector<std::uint32_t>& documents) const {
    for (std::uint32_t at = heads_[key & (heads_.size() - 1)]; at != kNone;
         at = entries_[at].next) {
      if (entries_[at].key == key) documents.push_back(entries_[at].document);
    }
  }
  bool is_full(std::size_t bands) const { return entries_.size() + bands >= kNone; }

 private:
  struct Entry {
    std::uint64_t key;
    std::uint32_t document;
    std::uint32_t next;
  };
  void grow() {
    heads_.assign(heads_.size() * 2, kNone);
    for (std::uint32_t i = 0; i < entries_.size(); ++i) {
      std::uint32_t& head = heads_[entries_[i].key & (heads_.size() - 1)];
      entries_[i].next = head;
      head = i;
    }
  }
  std::vector<std::uint32_t> heads_;  // A power of two.
  std::vector<Entry> entries_;
};

// What the threads find out about a document by itself.
struct Facts {
  std::uint64_t text_hash = 0;
  std::vector<std::uint64_t> bands;  // Empty for a text without words and for kExact.
};

class Pass {
 public:
  Pass(std::span<const Document> documents, const DeduplicateOptions& options)
      : documents_(documents),
        options_(options),
        rows_(options.mode == Deduplication::kNear ? rows_for(options.threshold) : 0) {}

  Result<DeduplicateReport> run() {
    std::vector<Facts> facts;
    for (std::size_t begin = 0; begin < documents_.size(); begin += kBlock) {
      const std::size_t count = std::min(kBlock, documents_.size() - begin);
      facts.assign(count, {});
      detail::for_each_document(count, options_.threads, options_.stop, [&](std::size_t i) {
        facts[i] = facts_of(documents_[begin + i].text);
      });
      for (std::size_t i = 0; i < count; ++i) {
        if (options_.stop.stop_requested()) {
          return Status(Code::kCancelled, "stopped while duplicates were being looked for");
        }
        if (index_.is_full(facts[i].bands.size())) {
          return Status(Code::kResourceExhausted,
                        fmt::format("near duplicates can be looked for among about {} documents, "
                                    "found {}",
                                    kNone / std::max<std::size_t>(1, facts[i].bands.size()),
                                    documents_.size()));
        }
        decide(begin + i, facts[i]);
      }
    }
    return std::move(report_);
  }

 private:
  Facts facts_of(const std::string& text) const {
    Facts facts{.text_hash = xxh3_64(detail::folded_text(text)), .bands = {}};
    if (rows_ == 0) return facts;
    std::vector<std::uint64_t> shingles;
    detail::shingles_of(text, shingles);
    if (shingles.empty()) return facts;
    const detail::Signature signature = detail::signature_of(shingles);
    std::vector<std::uint64_t> band(rows_ + 1);
    for (std::size_t b = 0; (b + 1) * rows_ <= signature.size(); ++b) {
      std::copy_n(signature.begin() + static_cast<std::ptrdiff_t>(b * rows_), rows_, band.begin());
      band.back() = b;
      facts.bands.push_back(xxh3_64(std::as_bytes(std::span(band))));
    }
    return facts;
  }

  void decide(std::size_t index, const Facts& facts) {
    std::optional<Duplicate> found = same_text(index, facts);
    if (!found && !facts.bands.empty()) found = near_text(index, facts);
    if (found) {
      report_.removed.push_back(*found);
      report_.removed_bytes += static_cast<std::int64_t>(documents_[index].text.size());
      return;
    }
    report_.kept.push_back(index);
    by_text_.emplace(facts.text_hash, index);
    for (const std::uint64_t band : facts.bands) {
      index_.add(band, static_cast<std::uint32_t>(index));
    }
  }

  std::optional<Duplicate> same_text(std::size_t index, const Facts& facts) const {
    const auto [begin, end] = by_text_.equal_range(facts.text_hash);
    for (auto at = begin; at != end; ++at) {
      const bool is_same = detail::folded_text(documents_[at->second].text) ==
                           detail::folded_text(documents_[index].text);
      if (is_same) return Duplicate{.index = index, .of = at->second, .similarity = 1.0};
    }
    return std::nullopt;
  }

  std::optional<Duplicate> near_text(std::size_t index, const Facts& facts) const {
    std::vector<std::uint32_t> hits;
    for (const std::uint64_t band : facts.bands) index_.find(band, hits);
    if (hits.empty()) return std::nullopt;
    std::ranges::sort(hits);
    std::vector<std::pair<std::size_t, std::uint32_t>> candidates;  // Bands they lack, document.
    for (std::size_t i = 0; i < hits.size();) {
      std::size_t end = i;
      while (end < hits.size() && hits[end] == hits[i]) ++end;
      candidates.emplace_back(facts.bands.size() - (end - i), hits[i]);
      i = end;
    }
    std::ranges::sort(candidates);
    if (candidates.size() > kMostCandidates) candidates.resize(kMostCandidates);
    const auto own = detail::shingle_set(documents_[index].text);
    for (const auto& [lacks, other] : candidates) {
      const double similarity = detail::jaccard(own, detail::shingle_set(documents_[other].text));
      if (similarity >= options_.threshold) {
        return Duplicate{.index = index, .of = other, .similarity = similarity};
      }
    }
    return std::nullopt;
  }

  const std::span<const Document> documents_;
  const DeduplicateOptions& options_;
  const std::size_t rows_;  // Of a band; 0 for kExact.
  std::unordered_multimap<std::uint64_t, std::size_t> by_text_;
  BandIndex index_;
  DeduplicateReport report_;
};

std::string shown_bytes(std::int64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.0f} KB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

std::string beginning(std::string_view text) {
  std::string shown = detail::folded_text(text.substr(0, 200));
  std::size_t end = std::min<std::size_t>(shown.size(), 40);
  while (end < shown.size() && (static_cast<std::uint8_t>(shown[end]) & 0xC0) == 0x80) --end;
  return shown.substr(0, end);
}

}  // namespace

std::string_view deduplication_name(Deduplication mode) {
  if (mode == Deduplication::kOff) return "off";
  return mode == Deduplication::kExact ? "exact" : "near";
}

Result<DeduplicateReport> deduplicate(std::span<const Document> documents,
                                      const DeduplicateOptions& options) {
  if (!(options.threshold >= 0.5 && options.threshold <= 1)) {
    return Status(Code::kInvalidArgument,
                  fmt::format("the threshold of near duplicates must be from 0.5 to 1, found {}",
                              options.threshold));
  }
  if (options.threads < 0 || options.threads > detail::kMostThreads) {
    return Status(Code::kInvalidArgument, fmt::format("threads must be from 0 to {}, found {}",
                                                      detail::kMostThreads, options.threads));
  }
  if (documents.size() >= kNone) {
    return Status(Code::kResourceExhausted,
                  fmt::format("duplicates can be looked for among up to {} documents, found {}",
                              kNone - 1, documents.size()));
  }
  if (options.mode != Deduplication::kOff) return Pass(documents, options).run();
  DeduplicateReport all;
  for (std::size_t i = 0; i < documents.size(); ++i) all.kept.push_back(i);
  return all;
}

std::string DeduplicateReport::summary(std::span<const Document> documents) const {
  std::int64_t bytes = 0;
  for (const Document& document : documents) {
    bytes += static_cast<std::int64_t>(document.text.size());
  }
  std::string text =
      fmt::format("removed {} of {} documents as duplicates, {} of {}", removed.size(),
                  documents.size(), shown_bytes(removed_bytes), shown_bytes(bytes));
  for (std::size_t i = 0; i < std::min(removed.size(), kExamples); ++i) {
    const Document& gone = documents[removed[i].index];
    text +=
        fmt::format("{}{} is {:.2f} like {} (\"{}...\")", i == 0 ? ": " : "; ", gone.source,
                    removed[i].similarity, documents[removed[i].of].source, beginning(gone.text));
  }
  return text;
}

Result<RemovedDuplicates> remove_duplicates(std::span<std::vector<Document>* const> groups,
                                            const DeduplicateOptions& options) {
  std::vector<Document> all;
  std::vector<std::size_t> ends;
  for (const auto* group : groups) ends.push_back((ends.empty() ? 0 : ends.back()) + group->size());
  for (auto* group : groups) {
    std::ranges::move(*group, std::back_inserter(all));
    group->clear();
  }
  const auto report = deduplicate(all, options);
  RemovedDuplicates removed;
  if (report.ok()) {
    removed = {.documents = static_cast<std::int64_t>(report->removed.size()),
               .bytes = report->removed_bytes,
               .summary = report->summary(all)};
  }
  // After an error everything goes back.
  std::vector<std::size_t> everything(report.ok() ? 0 : all.size());
  std::iota(everything.begin(), everything.end(), std::size_t{0});
  std::size_t group = 0;
  for (const std::size_t index : report.ok() ? report->kept : everything) {
    while (index >= ends[group]) ++group;
    groups[group]->push_back(std::move(all[index]));
  }
  if (!report.ok()) return report.status();
  return removed;
}

double shingle_similarity(std::string_view a, std::string_view b) {
  return detail::jaccard(detail::shingle_set(a), detail::shingle_set(b));
}

}  // namespace panal::data
