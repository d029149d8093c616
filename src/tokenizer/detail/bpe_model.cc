#include "tokenizer/detail/bpe_model.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/hash.h"

namespace panal::tokenizer::detail {

MergeTable::MergeTable(std::size_t num_merges) {
  const std::size_t num_places = std::bit_ceil(std::max<std::size_t>(16, 2 * num_merges + 1));
  mask_ = num_places - 1;
  keys_.assign(num_places, kEmpty);
  merges_.resize(num_places);
}

void MergeTable::insert(std::int32_t left, std::int32_t right, Merge merge) {
  const std::uint64_t key = (std::uint64_t(std::uint32_t(left)) << 32) | std::uint32_t(right);
  std::size_t at = place(key);
  while (keys_[at] != kEmpty && keys_[at] != key) at = (at + 1) & mask_;
  keys_[at] = key;
  merges_[at] = merge;
}

WordCache::Slot& WordCache::slot(std::string_view word) {
  return slots_[xxh3_64(word) & (kNumSlots - 1)];
}

void BpeModel::encode(std::string_view piece, Scratch& scratch,
                      std::vector<std::int32_t>& out) const {
  if (piece.empty()) return;
  if (piece.size() > WordCache::kMaxWordBytes) {
    encode_uncached(piece, scratch, out);
    return;
  }
  WordCache::Slot& slot = scratch.cache.slot(piece);
  if (slot.holds(piece)) {
    out.insert(out.end(), slot.tokens.begin(), slot.tokens.begin() + slot.num_tokens);
    return;
  }
  const std::size_t first = out.size();
  encode_uncached(piece, scratch, out);
  const std::size_t num_tokens = out.size() - first;
  if (num_tokens > WordCache::kMaxTokens) return;
  slot.num_bytes = std::uint8_t(piece.size());
  slot.num_tokens = std::uint8_t(num_tokens);
  std::copy(piece.begin(), piece.end(), slot.bytes.begin());
  std::copy(out.begin() + std::ptrdiff_t(first), out.end(), slot.tokens.begin());
}

void BpeModel::encode_uncached(std::string_view piece, Scratch& scratch,
                               std::vector<std::int32_t>& out) const {
  if (ignores_merges) {
    if (const auto known = ids.find(std::string(piece)); known != ids.end()) {
      out.push_back(known->second);
      return;
    }
  }
  std::vector<Scratch::Symbol>& symbols = scratch.symbols;
  symbols.clear();
  bool was_unknown = false;
  for (std::size_t i = 0; i < piece.size(); ++i) {
    std::int32_t id = byte_ids[std::uint8_t(piece[i])];
    const bool is_unknown = id < 0;
    if (is_unknown) {
      if (!unknown_id || (was_unknown && fuses_unknown)) continue;
      id = *unknown_id;
    }
    was_unknown = is_unknown;
    const auto at = std::int32_t(symbols.size());
    symbols.push_back({id, at - 1, at + 1, true});
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;
  merge_all(scratch);
  for (const Scratch::Symbol& symbol : symbols) {
    if (symbol.is_alive) out.push_back(symbol.id);
  }
}

void BpeModel::merge_all(Scratch& scratch) const {
  std::vector<Scratch::Symbol>& symbols = scratch.symbols;
  std::vector<Scratch::Candidate>& heap = scratch.heap;
  heap.clear();
  const auto consider = [&](std::int32_t at, std::int32_t next) {
    const auto merge = merges.find(symbols[std::size_t(at)].id, symbols[std::size_t(next)].id);
    if (merge.rank >= 0) heap.push_back({merge.rank, at, merge.result});
    return merge.rank >= 0;
  };
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
    consider(std::int32_t(i), std::int32_t(i + 1));
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    const Scratch::Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    Scratch::Symbol& left = symbols[std::size_t(best.at)];
    if (!left.is_alive || left.next < 0) continue;
    Scratch::Symbol& right = symbols[std::size_t(left.next)];
    // The neighbours may have changed since; what still spells the same token is merged all the
    // same.
    if (merges.find(left.id, right.id).result != best.result) continue;
    left.id = best.result;
    left.next = right.next;
    right.is_alive = false;
    if (left.next >= 0) symbols[std::size_t(left.next)].previous = best.at;
    if (left.previous >= 0 && consider(left.previous, best.at)) {
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
    if (left.next >= 0 && consider(best.at, left.next)) {
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  }
}

}  // namespace panal::tokenizer::detail
