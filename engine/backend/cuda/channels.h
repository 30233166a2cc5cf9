// Elementwise work that depends on the channel and the sample, such as norms and dropout of channels: packs
// lie within one row, so that their channels follow one another.
#pragma once

#include "engine/backend/cuda/launch.h"

namespace duet::cuda {

// Calls f.at<W>(first element, sample, first channel).
template <int W, class F>
struct InChannels {
  F f;
  Divider channels, sample;  // elements of a row and of a sample
  DUET_HOST_DEVICE void operator()(Index i) const {
    const Index first = i * W;
    Index rest = first;
    const Index channel = channels.take(rest);
    f.template at<W>(first, sample.quotient(first), channel);
  }
};

// Over all elements of a shape, W at a time: 128 bits of T where `vectorised` (pointers aligned to 16 bytes)
// and the channels fill whole packs, else 1.
template <class T, class F>
void for_channel_packs(Driver& driver, const char* name, const Shape& shape, bool vectorised, F f) {
  constexpr int W = kPack<T>;
  const Divider channels{shape.c}, sample{shape.voxels() * shape.c};
  if (vectorised && shape.c % W == 0) {
    for_items(driver, name, shape.elements() / W, InChannels<W, F>{f, channels, sample});
  } else {
    for_items(driver, name, shape.elements(), InChannels<1, F>{f, channels, sample});
  }
}

}  // namespace duet::cuda
