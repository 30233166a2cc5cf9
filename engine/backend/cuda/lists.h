// Elementwise work over many tensors in few launches: a network has a hundred parameters, most of them
// smaller than what a launch costs.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/backend/cuda/launch.h"

namespace duet::cuda {

constexpr int kMostListed = 32;  // of a launch: they travel as its arguments, which 4 KiB are for

// Item i is the (i - where its tensor begins)-th pack of W of one tensor.
template <int W, class F>
struct InLists {
  InPacks<W, F> of[kMostListed];
  Index ends[kMostListed];  // items of all tensors up to this one
  int count;

  DUET_HOST_DEVICE void operator()(Index i) const {
    int k = 0;
    DUET_UNROLL
    for (int step = kMostListed / 2; step > 0; step /= 2) {
      if (k + step < count && i >= ends[k + step - 1]) k += step;
    }
    of[k](k == 0 ? i : i - ends[k - 1]);
  }
};

// A tensor's functor, as for_packs takes it, and its elements.
template <class F>
struct Listed {
  F f;
  Index elements;
};

// `count` tensors from `list` on; places beyond repeat the last one, as functors need not be made of nothing.
template <int W, class F, std::size_t... I>
InLists<W, F> listed(const Listed<F>* list, int count, std::index_sequence<I...>) {
  const auto at = [&](std::size_t i) { return list[std::min(i, static_cast<std::size_t>(count) - 1)]; };
  InLists<W, F> part{{InPacks<W, F>{at(I).f, at(I).elements}...}, {}, count};
  Index end = 0;
  for (int k = 0; k < count; ++k) part.ends[k] = end += ceil_divide(list[k].elements, W);
  return part;
}

template <int W, class F>
void for_listed(Driver& driver, const char* name, const std::vector<Listed<F>>& list) {
  static_assert(sizeof(InLists<W, F>) <= 4000, "arguments of a launch");
  const int all = static_cast<int>(list.size());
  for (int first = 0; first < all; first += kMostListed) {
    const int count = std::min(kMostListed, all - first);
    const auto part = listed<W>(list.data() + first, count, std::make_index_sequence<kMostListed>());
    for_items(driver, name, part.ends[count - 1], part);
  }
}

// In packs of 128 bits of T where `vectorised` (all pointers aligned to 16 bytes), else element by element.
template <class T, class F>
void for_lists(Driver& driver, const char* name, const std::vector<Listed<F>>& list, bool vectorised) {
  if (vectorised) {
    for_listed<kPack<T>>(driver, name, list);
  } else {
    for_listed<1>(driver, name, list);
  }
}

}  // namespace duet::cuda
