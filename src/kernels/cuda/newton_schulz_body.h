#pragma once

#include <cmath>

#include "kernels/cuda/newton_schulz.h"
#include "kernels/cuda/update_body.h"

namespace panal::kernels::cuda {

constexpr int kTurnTile = 32;  // Tiles that go through shared memory to be transposed.
constexpr int kTurnThreads = 256;
constexpr std::int64_t kTurnBytes = kTurnTile * (kTurnTile + 1) * sizeof(float);

/// Row and column of the tile number `index` of the lower triangle, counted along its rows.
struct TriangleTile {
  std::int64_t row = 0, column = 0;
};
PANAL_DEVICE TriangleTile triangle_tile(std::int64_t index) {
  auto row =
      static_cast<std::int64_t>((std::sqrt(8.0f * static_cast<float>(index) + 1.0f) - 1) / 2);
  while (row * (row + 1) / 2 > index) --row;  // The root may be off by its rounding.
  while ((row + 1) * (row + 2) / 2 <= index) ++row;
  return {row, index - row * (row + 1) / 2};
}
inline std::int64_t triangle_tiles(std::int64_t n, std::int64_t tile) {
  const std::int64_t per_side = blocks_for(n, tile);
  return per_side * (per_side + 1) / 2;
}

inline Geometry geometry(const Normalise& op) {
  return {.blocks = op.count * blocks_for(op.rows, kTurnTile) * blocks_for(op.columns, kTurnTile),
          .threads = kTurnThreads,
          .shared_bytes = kTurnBytes};
}
template <typename Block>
PANAL_DEVICE void body(Block& block, const Normalise& op) {
  const std::int64_t tiles = block.blocks() / op.count;
  const std::int64_t matrix = block.index() / tiles, index = block.index() % tiles;
  const std::int64_t begin = matrix * op.rows * op.columns;
  const float scale = 1.0f / (op.factor * std::sqrt(op.square_totals[matrix]) + op.epsilon);
  const std::int64_t across = (op.columns + kTurnTile - 1) / kTurnTile;
  const std::int64_t row = index / across * kTurnTile, column = index % across * kTurnTile;
  float* const tile = reinterpret_cast<float*>(block.shared());
  for (int i = block.thread(); i < kTurnTile * kTurnTile; i += block.threads()) {
    const std::int64_t r = row + i / kTurnTile, c = column + i % kTurnTile;
    if (r >= op.rows || c >= op.columns) continue;
    const float value = load(op.matrices, begin + r * op.columns + c, Count<1>{}).at[0] * scale;
    if (op.is_transposed) {
      tile[i / kTurnTile * (kTurnTile + 1) + i % kTurnTile] = value;
    } else {
      set_float(op.out[begin + r * op.columns + c], value);
    }
  }
  if (!op.is_transposed) return;
  block.barrier();
  for (int i = block.thread(); i < kTurnTile * kTurnTile; i += block.threads()) {
    const std::int64_t r = row + i % kTurnTile, c = column + i / kTurnTile;
    if (r < op.rows && c < op.columns)
      set_float(op.out[begin + c * op.rows + r],
                tile[i % kTurnTile * (kTurnTile + 1) + i / kTurnTile]);
  }
}

// X X^T by tiles of 128 x 128 per block of 8 warps, each warp 32 x 64 of it, in steps of 32 along
// k. Rows in shared memory are 40 numbers apart, so that fragments are read without bank conflicts.
constexpr int kTile = 128;
constexpr int kStep = 32;
constexpr int kApart = kStep + 8;
constexpr int kSide = 16;  // Of a fragment.
constexpr int kProductThreads = 256;
constexpr int kWarpRows = 32, kWarpColumns = 64;
constexpr int kRowFragments = kWarpRows / kSide, kColumnFragments = kWarpColumns / kSide;
constexpr int kSideApart = kSide + 4;
constexpr int kPacksPerThread = kTile * kStep / 8 / kProductThreads;

inline Geometry geometry(const SymmetricProduct& op) {
  return {.blocks = op.count * triangle_tiles(op.n, kTile),
          .threads = kProductThreads,
          .shared_bytes = 2 * kTile * kApart * static_cast<std::int64_t>(sizeof(std::uint16_t))};
}

/// Eight numbers of a row of X, 0 outside of it.
PANAL_DEVICE Pack<std::uint16_t> piece_of(const SymmetricProduct& op, std::int64_t row,
                                          std::int64_t column, bool aligned) {
  Pack<std::uint16_t> piece{};
  if (row >= op.n || column >= op.k) return piece;
  const std::uint16_t* const from = op.x + row * op.k + column;
  if (aligned) return *reinterpret_cast<const Pack<std::uint16_t>*>(from);
  for (int i = 0; i < 8 && column + i < op.k; ++i) piece.at[i] = from[i];
  return piece;
}

template <typename Block>
PANAL_DEVICE void body(Block& block, const SymmetricProduct& all) {
  const std::int64_t tiles = block.blocks() / all.count, matrix = block.index() / tiles;
  SymmetricProduct op = all;
  op.x += matrix * op.n * op.k;
  op.out += matrix * op.n * op.n;
  if (op.addend != nullptr) op.addend += matrix * op.n * op.n;
  const TriangleTile at = triangle_tile(block.index() % tiles);
  const std::int64_t tile_row = at.row * kTile, tile_column = at.column * kTile;
  auto* const left = reinterpret_cast<std::uint16_t*>(block.shared());  // [kTile, kApart]
  auto* const right = left + kTile * kApart;                            // [kTile, kApart]
  const bool aligned = op.k % 8 == 0 && are_aligned(op.x);
  const int warp = block.thread() / kWarp;
  const int warp_row = warp / 2 * kWarpRows, warp_column = warp % 2 * kWarpColumns;

  typename Block::Accumulator sums[kRowFragments][kColumnFragments];
  for (auto& row : sums)
    for (auto& sum : row) block.clear(sum);
  Pack<std::uint16_t> left_next[kPacksPerThread], right_next[kPacksPerThread];
  const auto fetch = [&](std::int64_t k) {
    PANAL_UNROLL
    for (int i = 0; i < kPacksPerThread; ++i) {
      const int piece = block.thread() + i * kProductThreads;
      const int row = piece / (kStep / 8), column = piece % (kStep / 8) * 8;
      left_next[i] = piece_of(op, tile_row + row, k + column, aligned);
      right_next[i] = piece_of(op, tile_column + row, k + column, aligned);
    }
  };
  fetch(0);
  for (std::int64_t k = 0; k < op.k; k += kStep) {
    PANAL_UNROLL
    for (int i = 0; i < kPacksPerThread; ++i) {
      const int piece = block.thread() + i * kProductThreads;
      const int place = piece / (kStep / 8) * kApart + piece % (kStep / 8) * 8;
      *reinterpret_cast<Pack<std::uint16_t>*>(left + place) = left_next[i];
      *reinterpret_cast<Pack<std::uint16_t>*>(right + place) = right_next[i];
    }
    block.barrier();
    if (k + kStep < op.k) fetch(k + kStep);  // On its way while the tensor cores work.
    PANAL_UNROLL
    for (int inner = 0; inner < kStep; inner += kSide) {
      typename Block::Left a[kRowFragments];
      typename Block::Right b[kColumnFragments];
      PANAL_UNROLL
      for (int i = 0; i < kRowFragments; ++i)
        block.read(a[i], left + (warp_row + i * kSide) * kApart + inner, kApart);
      PANAL_UNROLL
      for (int j = 0; j < kColumnFragments; ++j)
        block.read(b[j], right + (warp_column + j * kSide) * kApart + inner, kApart);
      PANAL_UNROLL
      for (int i = 0; i < kRowFragments; ++i) {
        PANAL_UNROLL
        for (int j = 0; j < kColumnFragments; ++j) block.multiply(sums[i][j], a[i], b[j]);
      }
    }
    block.barrier();
  }

  // Each warp turns its fragments into rows through a piece of the shared memory of its own.
  float* const piece = reinterpret_cast<float*>(block.shared()) + warp * kSide * kSideApart;
  const int lane = block.thread() % kWarp;
  PANAL_UNROLL
  for (int i = 0; i < kRowFragments; ++i) {
    PANAL_UNROLL
    for (int j = 0; j < kColumnFragments; ++j) {
      block.write(piece, sums[i][j], kSideApart);
      block.warp_barrier();
      const std::int64_t row = tile_row + warp_row + i * kSide,
                         column = tile_column + warp_column + j * kSide;
      for (int element = lane; element < kSide * kSide; element += kWarp) {
        const int r = element / kSide, c = element % kSide;
        if (row + r < op.n && column + c <= row + r) {
          const std::int64_t place = (row + r) * op.n + column + c;
          float value = op.product_factor * piece[r * kSideApart + c];
          if (op.addend != nullptr) value += op.addend_factor * to_float(op.addend[place]);
          set_float(op.out[place], value);
        }
        // Mirrored: the threads go along the other side, so these writes are in rows too.
        if (row + c < op.n && column + r < row + c) {
          float value = op.product_factor * piece[c * kSideApart + r];
          if (op.addend != nullptr)
            value += op.addend_factor * to_float(op.addend[(row + c) * op.n + column + r]);
          set_float(op.out[(column + r) * op.n + row + c], value);
        }
      }
      block.warp_barrier();
    }
  }
}

}  // namespace panal::kernels::cuda
