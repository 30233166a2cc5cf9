// Sums of K values over all elements of each segment: losses, dot products, whole tensors. In double and in
// an order that depends on sizes alone, as sum_columns; many elements are added by parts first, since each
// sum is finished by one thread.
#pragma once

#include "engine/backend/cuda/columns.h"
#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

// Item i of a segment is its elements [i W, i W + W); what is left over at the end comes one by one.
template <int W, class F>
struct PackTerms {
  static constexpr int kBlocks = blocks_of<F>();
  F f;
  Index elements, run;  // of a segment; items of a part
  Divider parts;        // of a segment
  template <int>
  DUET_HOST_DEVICE void add(Index part, Index row, Index, double* sums) const {
    Index segment = part;
    const Index first = (parts.take(segment) * run + row) * W;
    if (first + W <= elements) {
      f.template at<W>(segment, first, sums);
    } else {
      for (Index j = first; j < elements; ++j) f.template at<1>(segment, j, sums);
    }
  }
};

template <int K>
struct StorePart {
  double* to;  // (parts, K)
  DUET_HOST_DEVICE void operator()(Index part, Index, const double* sums) const {
    for (int k = 0; k < K; ++k) to[part * K + k] = sums[k];
  }
};

template <int K>
struct PartTerms {
  static constexpr int kBlocks = 2;  // few blocks run
  const double* from;                // (segments, parts, K)
  Index parts;
  template <int>
  DUET_HOST_DEVICE void add(Index segment, Index part, Index, double* sums) const {
    for (int k = 0; k < K; ++k) sums[k] += from[(segment * parts + part) * K + k];
  }
};

template <class Finish>
struct FinishSegment {
  Finish finish;
  DUET_HOST_DEVICE void operator()(Index segment, Index, const double* sums) const { finish(segment, sums); }
};

// Parts of a segment: from about 64 chunks of sum_columns on, which one thread would add for some time.
inline Index parts_of(Index segments, Index items) {
  constexpr Index kMostParts = 64, kItems = Index{1} << 17;  // of a part
  return std::clamp<Index>(items / kItems, 1, std::max<Index>(1, kMostParts / segments));
}

// f.at<W>(segment, first element, double sums[K]) adds the terms of W elements (of 1 for what is left over);
// finish(segment, const double* sums) is called once for each segment, on the device.
template <int K, int W, class F, class Finish>
void sum_packs(const Room& room, const char* name, Index segments, Index elements, F f, Finish finish) {
  const Index items = ceil_divide(elements, W), parts = parts_of(segments, items);
  const PackTerms<W, F> terms{f, elements, ceil_divide(items, parts), Divider{parts}};
  const Columns of{segments * parts, terms.run, 1};
  if (parts == 1) {
    return sum_columns<K, 1>(*room.driver, room.memory, name, of, terms, FinishSegment<Finish>{finish});
  }
  const Scratch scratch(room.memory, static_cast<std::size_t>(of.segments * K) * sizeof(double), name);
  auto* partial = static_cast<double*>(scratch.data());
  sum_columns<K, 1>(*room.driver, room.memory, name, of, terms, StorePart<K>{partial});
  sum_columns<K, 1>(*room.driver, room.memory, name, {segments, parts, 1}, PartTerms<K>{partial, parts},
                    FinishSegment<Finish>{finish});
}

// The same in packs of 128 bits of T where `vectorised` (all pointers aligned to 16 bytes) and each segment
// is whole packs, else element by element.
template <int K, class T, class F, class Finish>
void sum_elements(const Room& room, const char* name, Index segments, Index elements, bool vectorised, F f,
                  Finish finish) {
  if (vectorised && (segments == 1 || elements % kPack<T> == 0)) {
    sum_packs<K, kPack<T>>(room, name, segments, elements, f, finish);
  } else {
    sum_packs<K, 1>(room, name, segments, elements, f, finish);
  }
}

}  // namespace duet::cuda
