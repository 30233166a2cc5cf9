#include "engine/backend/cuda/bias.h"
#include "engine/backend/cuda/launch.h"
#include "engine/backend/cuda/matrices.h"
#include "engine/backend/cuda/wide.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

constexpr Index kMostScratch = Index{64} << 20;  // bytes

// to (N, Co, Ci) = w times the factors of each sample.
template <class C, class To>
struct ScaleWeights {
  const C *w, *scale;  // (Co, Ci), (N, Ci)
  To* to;
  Divider inputs, size;
  DUET_HOST_DEVICE void operator()(Index i) const {
    Index n = i;
    const Index at = size.take(n);
    Index row = at;
    to[i] = To(w[at] * scale[n * inputs.by + inputs.take(row)]);
  }
};

// dw = or += sum over samples of the factors times each one's gradient.
template <class C>
struct SumScaled {
  static constexpr int kBlocks = 6;
  const C *own, *scale;  // (N, Co, Ci), (N, Ci)
  C* dw;
  Divider inputs;
  Index samples, size;
  Accum accum;
  DUET_HOST_DEVICE void operator()(Index i) const {
    Index row = i;
    const Index channel = inputs.take(row);
    double sum = accum == Accum::add ? static_cast<double>(dw[i]) : 0.0;
    for (Index n = 0; n < samples; ++n) {
      sum += static_cast<double>(scale[n * inputs.by + channel]) * static_cast<double>(own[n * size + i]);
    }
    dw[i] = static_cast<C>(sum);
  }
};

// The weights of each sample, in the type of activations: w itself for all, or w times its factors.
class SampleWeights {
 public:
  SampleWeights(const Room& room, PackedWeights& packed, ConstView w, ConstView scale, DType type) {
    if (!scale) {
      packed_ = packed.get(room, w, type);
      weights_ = packed_.weights;
      return;
    }
    const Shape shape{scale.shape.n * w.shape.n, 1, 1, 1, w.shape.c};
    own_ = Scratch(room.memory, bytes_of(shape, type), "pointwise_conv weights");
    weights_ = {own_.data(), shape, type, 0};
    step_ = w.shape.elements();
    with_storage("pointwise_conv", type, [&](auto storage) {
      using To = decltype(storage);
      using C = Compute<To>;
      for_items(*room.driver, "pointwise_conv weights", shape.elements(),
                ScaleWeights<C, To>{w.as<C>(), scale.as<C>(), static_cast<To*>(own_.data()),
                                    Divider{w.shape.c}, Divider{step_}});
    });
  }
  const void* of(Index sample) const { return place(weights_, sample * step_); }

 private:
  Packed packed_;
  Scratch own_;
  ConstView weights_;
  Index step_ = 0;
};

// Calls body(sample, first row, rows) over runs of at most `most` rows: of one sample each where `by_sample`,
// else of the whole batch.
template <class Body>
void for_runs(const Shape& x, bool by_sample, Index most, const Body& body) {
  const Index samples = by_sample ? x.n : 1, rows = x.rows() / samples;
  for (Index n = 0; n < samples; ++n) {
    for (Index row = 0; row < rows; row += most) body(n, n * rows + row, std::min(most, rows - row));
  }
}

// dy in the type of x, a run of rows at a time.
class Narrowed {
 public:
  Narrowed(const Room& room, ConstView dy, DType type) : room_(room), dy_(dy), type_(type) {
    if (!narrows()) return;
    const Index rows = std::min(most_rows(), dy.shape.rows());
    scratch_ = Scratch(room.memory, bytes_of({1, 1, 1, rows, dy.shape.c}, type), "pointwise_conv dy");
  }
  bool narrows() const { return dy_.dtype != type_; }
  Index most_rows() const {
    if (!narrows()) return dy_.shape.rows();
    return std::max<Index>(1, kMostScratch / (dy_.shape.c * static_cast<Index>(size_of(type_))));
  }
  const void* rows(Index first, Index count) const {
    const void* from = place(dy_, first * dy_.shape.c);
    if (!narrows()) return from;
    const Shape shape{1, 1, 1, count, dy_.shape.c};
    cast(room_, "pointwise_conv dy", {from, shape, dy_.dtype, 0}, {scratch_.data(), shape, type_},
         Accum::write);
    return scratch_.data();
  }

 private:
  const Room& room_;
  ConstView dy_;
  DType type_;
  Scratch scratch_;
};

}  // namespace

void wide_forward(const Room& room, PackedWeights& packed, ConstView x, ConstView scale, ConstView w,
                  ConstView b, View y) {
  const SampleWeights weights(room, packed, w, scale, x.dtype);
  for_runs(x.shape, static_cast<bool>(scale), x.shape.rows(), [&](Index n, Index first, Index rows) {
    GemmCall call{};
    call.m = rows;
    call.n = w.shape.n;
    call.k = w.shape.c;
    call.transpose_b = true;
    call.inputs = x.dtype;
    call.output = y.dtype;
    call.a = place(x, first * x.shape.c);
    call.b = weights.of(n);
    call.c = place(y, first * y.shape.c);
    multiply(room, call);
  });
  if (b) add_bias(room, b, y);
}

void wide_data(const Room& room, PackedWeights& packed, ConstView dy, ConstView scale, ConstView w, View dx,
               Accum accum) {
  const SampleWeights weights(room, packed, w, scale, dx.dtype);
  const Narrowed gradient(room, dy, dx.dtype);
  for_runs(dx.shape, static_cast<bool>(scale), gradient.most_rows(), [&](Index n, Index first, Index rows) {
    GemmCall call{};
    call.m = rows;
    call.n = w.shape.c;
    call.k = w.shape.n;
    call.inputs = call.output = dx.dtype;
    call.a = gradient.rows(first, rows);
    call.b = weights.of(n);
    call.c = place(dx, first * dx.shape.c);
    call.beta = accum == Accum::add ? 1.0 : 0.0;
    multiply(room, call);
  });
}

void wide_weights(const Room& room, ConstView x, ConstView scale, ConstView dy, View dw, Accum accum) {
  const Index size = dw.shape.elements(), samples = x.shape.n, sample_rows = x.shape.voxels();
  const Scratch own(room.memory, scale ? bytes_of({samples, 1, 1, 1, size}, dw.dtype) : 0,
                    "pointwise_conv weight gradient");
  const View to = scale ? View{own.data(), {samples, 1, 1, 1, size}, dw.dtype} : dw;
  const Narrowed gradient(room, dy, x.dtype);
  for_runs(x.shape, static_cast<bool>(scale), gradient.most_rows(), [&](Index n, Index first, Index rows) {
    const bool starts = scale ? first == n * sample_rows : first == 0;
    GemmCall call{};
    call.m = dw.shape.n;
    call.n = dw.shape.c;
    call.k = rows;
    call.transpose_a = true;
    call.inputs = x.dtype;
    call.output = dw.dtype;
    call.a = gradient.rows(first, rows);
    call.b = place(x, first * x.shape.c);
    call.c = place(to, scale ? n * size : 0);
    call.beta = starts && (scale || accum == Accum::write) ? 0.0 : 1.0;
    multiply(room, call);
  });
  if (!scale) return;
  with_type("pointwise_conv", dw.dtype, [&](auto type) {
    using C = decltype(type);
    for_items(*room.driver, "pointwise_conv weight gradient", size,
              SumScaled<C>{static_cast<const C*>(own.data()), scale.as<C>(), dw.as<C>(), Divider{dw.shape.c},
                           samples, size, accum});
  });
}

}  // namespace duet::cuda
