#include <cmath>

#include "engine/backend/cuda/channels.h"
#include "engine/backend/cuda/dropout.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/functors.h"
#include "engine/memory/scratch.h"

namespace duet::cuda {
namespace {

// Where the draws of a sample of x come from.
struct Draws {
  functors::DropoutMask mask;
  Index batch, first_sample;
  DUET_HOST_DEVICE bool keep(Index n, std::uint64_t element) const {
    return mask.keep(static_cast<std::uint32_t>(n / batch),
                     static_cast<std::uint32_t>(first_sample + n % batch), element);
  }
};

Draws draws_of(const DropoutSpec& spec, Index samples) {
  DUET_CHECK(spec.p >= 0.0 && spec.p <= 1.0, "dropout: expected 0 <= p <= 1, found ", spec.p);
  DUET_CHECK(spec.batch >= 0 && spec.first_sample >= 0, "dropout: batch ", spec.batch, ", first sample ",
             spec.first_sample);
  const auto threshold = static_cast<std::uint64_t>(std::llround(std::ldexp(spec.p, 32)));
  return {{spec.key, threshold}, spec.batch == 0 ? samples : spec.batch, spec.first_sample};
}

double scale_of(const DropoutSpec& spec) { return spec.p < 1.0 ? 1.0 / (1.0 - spec.p) : 0.0; }

template <class C>
struct Factors {
  Draws draws;
  C scale;
  Index channels;
  C* factors;  // (N, C)
  DUET_HOST_DEVICE void operator()(Index i) const {
    factors[i] = draws.keep(i / channels, static_cast<std::uint64_t>(i % channels)) ? scale : C(0);
  }
};

// y = or += x factor, a factor a sample and channel.
template <class T>
struct ByChannel {
  const T* x;
  const Compute<T>* factors;  // (N, C)
  Index channels;
  T* y;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first, Index sample, Index channel) const {
    auto values = load<W>(x, first);
    const Compute<T>* factor = factors + sample * channels + channel;
    for (int i = 0; i < W; ++i) {  // what is dropped is 0 even where x is infinite
      values.v[i] = factor[i] != Compute<T>(0) ? values.v[i] * factor[i] : Compute<T>(0);
    }
    store<W>(y, first, values, accum);
  }
};

// One draw an element, at its place in its sample; four share a Philox block.
template <class T>
struct ByElement {
  Draws draws;
  Compute<T> scale;
  Divider sample;  // elements of a sample
  const T* x;
  T* y;
  Accum accum;
  Index elements;
  DUET_HOST_DEVICE void operator()(Index i) const {
    Index n = i * 4;
    Index element = sample.take(n);
    for (Index at = i * 4; at < i * 4 + 4 && at < elements; ++at, ++element) {
      if (element == sample.by) {  // samples need not fill whole blocks
        element = 0;
        ++n;
      }
      const bool keep = draws.keep(n, static_cast<std::uint64_t>(element));
      store_one(y, at, keep ? static_cast<Compute<T>>(x[at]) * scale : Compute<T>(0), accum);
    }
  }
};

}  // namespace

void make_dropout_factors(const Room& room, const DropoutSpec& spec, View factors) {
  DUET_CHECK(spec.channels && factors.shape.voxels() == 1,
             "dropout_factors: expected one factor a channel, found ", factors.shape);
  const Draws draws = draws_of(spec, factors.shape.n);
  with_type("dropout_factors", factors.dtype, [&](auto type) {
    using C = decltype(type);
    for_items(*room.driver, "dropout_factors", factors.shape.elements(),
              Factors<C>{draws, static_cast<C>(scale_of(spec)), factors.shape.c, factors.as<C>()});
  });
}

void drop(const Room& room, const DropoutSpec& spec, ConstView x, View y, Accum accum) {
  check_same("dropout", x.shape, y.shape);
  const Draws draws = draws_of(spec, x.shape.n);
  with_storage("dropout", x.dtype, [&](auto type) {
    using T = decltype(type);
    using C = Compute<T>;
    if (!spec.channels) {
      const Index elements = x.shape.elements();
      const ByElement<T> f{draws,
                           static_cast<C>(scale_of(spec)),
                           Divider{x.shape.voxels() * x.shape.c},
                           x.as<T>(),
                           y.as<T>(),
                           accum,
                           elements};
      for_items(*room.driver, "dropout", ceil_divide(elements, 4), f);
      return;
    }
    const Shape table{x.shape.n, 1, 1, 1, x.shape.c};
    const Scratch scratch(room.memory, static_cast<std::size_t>(table.elements()) * sizeof(C), "dropout");
    make_dropout_factors(room, spec, {scratch.data(), table, dtype_of<C>()});
    for_channel_packs<T>(
        *room.driver, "dropout", x.shape, aligned(x.data, y.data),
        ByChannel<T>{x.as<T>(), static_cast<const C*>(scratch.data()), x.shape.c, y.as<T>(), accum});
  });
}

}  // namespace duet::cuda
