// Launch geometry and index arithmetic of the CUDA room on the host: the numbers that its kernels compute on
// the card, at sizes that need more than 31 and 32 bits too. What is launched with it is in launch_test.cpp.
#include "engine/backend/cuda/geometry.h"

#include <doctest/doctest.h>
#include <vector>

namespace duet::cuda {
namespace {

constexpr Index k31 = Index{1} << 31, k32 = Index{1} << 32, k33 = Index{1} << 33;
constexpr Index kMostX = k31 - 1;           // CUDA's limits on blocks
constexpr std::size_t kMostShared = 49152;  // bytes a block without asking for more

// What one thread of run_items goes over: first, first + step, ... below `items`.
struct Stride {
  Index first, step, count;
  Index last() const { return first + (count - 1) * step; }
};

Stride items_of(const Geometry& g, Index items, Index block, Index thread) {
  const Index first = block * g.threads + thread, step = static_cast<Index>(g.x) * g.threads;
  return {first, step, first < items ? (items - 1 - first) / step + 1 : 0};
}

void check_grid(const Geometry& g) {
  CHECK((g.x >= 1 && g.x <= kMostX));
  CHECK((g.y >= 1 && g.y <= kMostAcross));
  CHECK((g.z >= 1 && g.z <= kMostAcross));
  CHECK(g.threads == kThreads);
  CHECK(g.shared <= kMostShared);
}

// Threads go over first + k step with different firsts below step, so no two meet; all is covered where the
// first `items % step` threads go one round more than the rest, and each ends at the last round.
void check_strides(Index items) {
  CAPTURE(items);
  const Geometry g = items_geometry(items);
  check_grid(g);
  CHECK(g.x <= kMostBlocks);
  const Index step = static_cast<Index>(g.x) * g.threads, rounds = items / step, more = items % step;
  for (const Index block : {Index{0}, Index{1}, more / kThreads - 1, more / kThreads, more / kThreads + 1,
                            static_cast<Index>(g.x) - 1}) {
    if (block < 0 || block >= g.x) continue;
    for (const Index thread : {Index{0}, Index{1}, more % kThreads, kThreads - 1}) {
      const Stride s = items_of(g, items, block, thread);
      CHECK(s.step == step);
      CHECK(s.first < step);
      CHECK(s.count == rounds + (s.first < more ? 1 : 0));
      if (s.count == 0) continue;
      CHECK(s.last() < items);
      CHECK(s.last() + step >= items);
    }
  }
  CHECK(rounds * step + more == items);  // what the counts of all threads add up to
}

TEST_CASE("items: every one once, one thread each up to the most blocks") {
  for (const Index items : {0, 1, 2, 255, 256, 257, 511, 512, 513, 10000}) {
    std::vector<int> seen(static_cast<std::size_t>(items));
    const Geometry g = items_geometry(items);
    check_strides(items);
    for (Index block = 0; block < g.x; ++block) {
      for (Index thread = 0; thread < g.threads; ++thread) {
        const Stride s = items_of(g, items, block, thread);
        for (Index k = 0; k < s.count; ++k) ++seen[static_cast<std::size_t>(s.first + k * s.step)];
      }
    }
    for (const int times : seen) CHECK(times == 1);
  }
  CHECK(items_geometry(0) == items_geometry(1));
  CHECK(items_geometry(256).x == 1);
  CHECK(items_geometry(257).x == 2);
}

TEST_CASE("items beyond one round of the grid and beyond 31 and 32 bits") {
  const Index round = kMostBlocks * kThreads;
  for (const Index items : {round - 1, round, round + 1, 2 * round, 2 * round + 257, k31 - 1, k31, k31 + 1,
                            k32 - 1, k32, k32 + 1, k33 + 12345, Index{1} << 40}) {
    check_strides(items);
  }
  CHECK(items_geometry(round + 1).x == kMostBlocks);
  CHECK(items_of(items_geometry(round + 1), round + 1, 0, 0).count == 2);
  CHECK(items_of(items_geometry(round + 1), round + 1, 0, 1).count == 1);
}

TEST_CASE("division by a reciprocal is division, beyond 31 and 32 bits too") {
  std::vector<Index> operands = {0, 1, 2, 3, 255, 256, 257, 65535, 65536, 65537, Index{1} << 47};
  for (const Index around : {k31, k32, k33}) {
    for (Index off = -3; off <= 3; ++off) operands.push_back(around + off);
  }
  std::vector<Index> divisors = {1, 2, 3, 5, 7, 10, 96, 255, 256, 65535, 65537, 1000003};
  for (const Index around : {k31, k32, k33}) {
    for (Index off = -1; off <= 1; ++off) divisors.push_back(around + off);
  }
  for (const Index by : divisors) {
    const Divider divider{by};
    for (const Index a : operands) {
      CAPTURE(a);
      CAPTURE(by);
      CHECK(divider.quotient(a) == a / by);
      Index rest = a;
      CHECK(divider.take(rest) == a % by);
      CHECK(rest == a / by);
    }
  }
}

// Elements at both ends, around the powers of two and evenly spread.
std::vector<Index> some_elements(Index count) {
  std::vector<Index> some;
  for (const Index around : {Index{0}, k31, k32, k33, count}) {
    for (Index off = -2; off <= 2; ++off) {
      if (around + off >= 0 && around + off < count) some.push_back(around + off);
    }
  }
  for (Index i = 0; i < 101; ++i) some.push_back(static_cast<Index>(count / 101) * i);
  return some;
}

TEST_CASE("positions of elements, there and back, for tensors of any size") {
  for (const Shape& shape : std::vector<Shape>{{1, 1, 1, 1, 1},
                                               {2, 3, 4, 5, 6},
                                               {7, 1, 5, 1, 3},
                                               {4, 256, 512, 512, 16},
                                               {3, 1291, 1289, 1283, 1},
                                               {1, 1, 1, k31 + 11, 2},
                                               {70000, 33, 65, 129, 7},
                                               {3, 1, 1, 1, k32 + 15}}) {
    CAPTURE(shape.elements());
    const Unflatten unflatten(shape);
    for (const Index element : some_elements(shape.elements())) {
      CAPTURE(element);
      const Position at = unflatten(element);
      CHECK((at.n >= 0 && at.n < shape.n));
      CHECK((at.d >= 0 && at.d < shape.d));
      CHECK((at.h >= 0 && at.h < shape.h));
      CHECK((at.w >= 0 && at.w < shape.w));
      CHECK((at.c >= 0 && at.c < shape.c));
      CHECK(flat(shape, at) == element);
      CHECK(at.c == element % shape.c);
      CHECK(at.w == element / shape.c % shape.w);
      CHECK(at.n == element / shape.c / shape.w / shape.h / shape.d);
    }
  }
}

// By formula: chunks and blocks of packs overlap nowhere and leave out nothing, and stay in bounds.
void check_columns(Index segments, Index rows, Index packs, Index sums) {
  CAPTURE(segments);
  CAPTURE(rows);
  CAPTURE(packs);
  const ColumnGeometry g = column_geometry(segments, rows, packs, sums);
  check_grid(g.grid);
  CHECK(g.grid.x == g.chunks);
  CHECK(g.grid.y == g.pack_blocks);
  CHECK((g.grid.z == segments || g.grid.z == kMostAcross));
  CHECK(g.grid.shared == static_cast<std::size_t>(kThreads * sums) * sizeof(double));
  CHECK((g.lanes >= 1 && g.packs >= 1 && g.lanes * g.packs <= kThreads));
  CHECK((g.chunks - 1) * g.rows_per_chunk < rows);
  CHECK(g.chunks * g.rows_per_chunk >= rows);
  CHECK(g.rows_per_chunk % g.lanes == 0);
  CHECK((g.pack_blocks - 1) * g.packs < packs);
  CHECK(g.pack_blocks * g.packs >= packs);
  CHECK(segments * g.chunks <= std::max<Index>(segments, 512));  // the sums of chunks are kept in memory
}

// By going over the threads as the kernel does.
void check_threads(Index rows, Index packs) {
  CAPTURE(rows);
  CAPTURE(packs);
  const ColumnGeometry g = column_geometry(1, rows, packs, 1);
  std::vector<int> seen(static_cast<std::size_t>(rows * packs));
  for (Index chunk = 0; chunk < g.grid.x; ++chunk) {
    const Index begin = chunk * g.rows_per_chunk, end = std::min(begin + g.rows_per_chunk, rows);
    for (Index block = 0; block < g.grid.y; ++block) {
      for (Index thread = 0; thread < g.grid.threads; ++thread) {
        const Index lane = thread / g.packs, pack = block * g.packs + thread % g.packs;
        if (lane >= g.lanes || pack >= packs) continue;
        for (Index row = begin + lane; row < end; row += g.lanes) {
          ++seen[static_cast<std::size_t>(row * packs + pack)];
        }
      }
    }
  }
  Index wrong = 0;
  for (const int times : seen) wrong += times != 1;
  CHECK(wrong == 0);
}

TEST_CASE("sums by column: chunks, lanes and blocks for many sizes") {
  for (const Index segments : {Index{1}, Index{2}, Index{3}, Index{16}, Index{2047}, Index{2048}, Index{2049},
                               Index{65535}, Index{65536}, Index{1000000}}) {
    for (const Index rows : {Index{1}, Index{2}, Index{15}, Index{16}, Index{255}, Index{4096}, Index{4097},
                             Index{1000003}, k31 + 1, k33 + 7}) {
      for (const Index packs : {1, 2, 3, 5, 16, 17, 127, 128, 129, 200, 255, 256, 257, 1000, 65536}) {
        check_columns(segments, rows, packs, packs % 2 == 0 ? 24 : 1);
      }
    }
  }
}

TEST_CASE("sums by column: every row and pack once") {
  for (const Index rows : {1, 7, 16, 255, 256, 4095, 4096, 4097, 9999}) {
    for (const Index packs : {1, 2, 3, 7, 16, 60}) check_threads(rows, packs);
  }
  for (const Index packs : {127, 128, 129, 200, 256, 257, 300, 513}) check_threads(131, packs);
}

TEST_CASE("sums by column: as many packs as a grid has room for, and no more") {
  check_columns(1, 3, kMostAcross * kThreads, 1);
  CHECK_THROWS_AS(column_geometry(1, 3, kMostAcross * kThreads + 1, 1), EngineError);
}

}  // namespace
}  // namespace duet::cuda
