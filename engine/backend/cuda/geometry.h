// How work is cut into blocks and threads, and how positions are taken apart: plain functions for host and
// device, so that tests check on the CPU what the kernels compute. Everything depends on sizes alone, never
// on the card, so sums are made in the same order everywhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/core/errors.h"
#include "engine/core/host_device.h"
#include "engine/core/shape.h"

namespace duet::cuda {

constexpr Index kThreads = 256;                // of a block
constexpr Index kMostBlocks = Index{1} << 20;  // along x; kernels go over the rest in strides
constexpr Index kMostAcross = 65535;           // CUDA's limit on blocks along y and z

struct Geometry {
  std::uint32_t x = 1, y = 1, z = 1;  // blocks
  std::uint32_t threads = kThreads;   // of a block, along x
  std::size_t shared = 0;             // bytes a block

  friend bool operator==(const Geometry&, const Geometry&) = default;
};

DUET_HOST_DEVICE constexpr Index ceil_divide(Index a, Index b) { return (a + b - 1) / b; }

// One thread an item, in strides of the whole grid.
inline Geometry items_geometry(Index items) {
  const Index blocks = std::clamp<Index>(ceil_divide(items, kThreads), 1, kMostBlocks);
  return {static_cast<std::uint32_t>(blocks), 1, 1, kThreads, 0};
}

// The upper 64 bits of a product.
DUET_HOST_DEVICE inline std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
#ifdef __CUDA_ARCH__
  return __umul64hi(a, b);
#else
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
#endif
}

// Division of non-negative numbers by one that is the same for all threads, by a multiplication with its
// reciprocal (Granlund & Montgomery 1994, figure 4.1): a GPU has no divider, and 64 bits are divided by a
// function call, around which registers spill. Made on the host.
struct Divider {
  Index by = 1;
  std::uint64_t reciprocal = 1;
  int first_shift = 0, second_shift = 0;

  Divider() = default;
  Divider(Index divisor) : by(divisor) {  // NOLINT(google-explicit-constructor): it is a number
    int bits = 0;                         // the least with 2^bits >= divisor
    while (bits < 62 && (Index{1} << bits) < divisor) ++bits;
    const auto d = static_cast<std::uint64_t>(divisor);
    const unsigned __int128 excess = (std::uint64_t{1} << bits) - d;
    reciprocal = static_cast<std::uint64_t>((excess << 64) / d) + 1;
    first_shift = bits < 1 ? bits : 1;
    second_shift = bits < 1 ? 0 : bits - 1;
  }
  DUET_HOST_DEVICE Index quotient(Index a) const {
    const auto n = static_cast<std::uint64_t>(a);
    const std::uint64_t t = multiply_high(reciprocal, n);
    return static_cast<Index>((t + ((n - t) >> first_shift)) >> second_shift);
  }
  // a becomes the quotient; returns the remainder.
  DUET_HOST_DEVICE Index take(Index& a) const {
    const Index q = quotient(a), r = a - q * by;
    a = q;
    return r;
  }
};

// Position of an element or row of a shape.
struct Position {
  Index n, d, h, w, c;
};

// Takes flat element numbers of a shape apart.
struct Unflatten {
  Divider d, h, w, c;
  Unflatten() = default;
  explicit Unflatten(const Shape& shape) : d{shape.d}, h{shape.h}, w{shape.w}, c{shape.c} {}
  DUET_HOST_DEVICE Position operator()(Index element) const {
    Position at{};
    at.c = c.take(element);
    at.w = w.take(element);
    at.h = h.take(element);
    at.d = d.take(element);
    at.n = element;
    return at;
  }
};

// Flat element number of a position.
DUET_HOST_DEVICE inline Index flat(const Shape& s, const Position& at) {
  return (((at.n * s.d + at.d) * s.h + at.h) * s.w + at.w) * s.c + at.c;
}

// How the rows of a segment are shared out for sums by column: a block takes a chunk of rows and `packs`
// packs of columns; its threads are `lanes` rows by `packs`.
struct ColumnGeometry {
  Index packs = 1;        // of a block: at most kThreads
  Index pack_blocks = 1;  // along y
  Index lanes = kThreads;
  Index rows_per_chunk = 1, chunks = 1;  // of a segment
  Geometry grid;                         // x: chunks, y: pack_blocks, z: segments
};

// segments of `rows` rows of `packs` packs, all at least 1; `sums` doubles are kept by each thread. Throws
// EngineError where the packs are more than a grid has room for, 16 million.
inline ColumnGeometry column_geometry(Index segments, Index rows, Index packs, Index sums) {
  constexpr Index kRowsOfALane = 4, kMostChunks = 512;
  ColumnGeometry g;
  g.packs = std::min(packs, kThreads);
  g.pack_blocks = ceil_divide(packs, g.packs);
  DUET_CHECK(g.pack_blocks <= kMostAcross, "sums by column: ", packs, " packs of columns, at most ",
             kMostAcross * kThreads);
  g.lanes = std::max<Index>(1, kThreads / g.packs);
  const Index most = std::max<Index>(1, kMostChunks / std::max<Index>(1, segments));
  g.rows_per_chunk =
      std::max(g.lanes * kRowsOfALane, ceil_divide(ceil_divide(rows, most), g.lanes) * g.lanes);
  g.chunks = std::max<Index>(1, ceil_divide(rows, g.rows_per_chunk));
  g.grid = {static_cast<std::uint32_t>(g.chunks), static_cast<std::uint32_t>(g.pack_blocks),
            static_cast<std::uint32_t>(std::min(segments, kMostAcross)), kThreads,
            static_cast<std::size_t>(kThreads * sums) * sizeof(double)};
  return g;
}

}  // namespace duet::cuda
