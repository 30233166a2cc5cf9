// Cross-entropy, squared error and the group itself. A class index that does not exist: see scores.h.
#include "engine/backend/cuda/loss_parts.h"
#include "engine/backend/cuda/scores.h"
#include "engine/backend/cuda/sums.h"

namespace duet::cuda {
namespace {

template <class T, class Target, class Classes>
struct EntropyTerms {
  const T* z;
  Target target;
  VoxelWeights<T> weights;
  Classes classes;
  template <int W>
  DUET_HOST_DEVICE void at(Index, Index first, double* sums) const {
    const Rows<T, W, Classes> rows(z, first, classes);
    const auto shares = target.template at<W>(first, classes);
    const auto w = weights.template at<W>(first);
    T total = 0;
    DUET_UNROLL
    for (int j = 0; j < W; ++j) {
      const Softmax<T, Classes> p(rows.of(j), classes);
      total += w.v[j] * cross_entropy_of(p, shares.of(j));
    }
    sums[0] += static_cast<double>(total);
  }
};

// dz = or += dloss w / denominator (p sum(t) - t).
template <class T, class Target, class Classes>
struct EntropyGradient {
  const T* z;
  Target target;
  VoxelWeights<T> weights;
  Classes classes;
  const T *denominator, *dloss;
  T* dz;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const Rows<T, W, Classes> rows(z, first, classes);
    const auto shares = target.template at<W>(first, classes);
    const auto w = weights.template at<W>(first);
    const T factor = dloss[0] / denominator[0];
    RowWriter<T, W, Classes> out(dz, first, classes, accum);
    DUET_UNROLL
    for (int j = 0; j < W; ++j) {
      const Softmax<T, Classes> p(rows.of(j), classes);
      const auto t = shares.of(j);
      const T total = t.total(classes), f = factor * w.v[j];
      for (Index c = 0; c < classes; ++c) out.put(j, c, f * (p(c) * total - t(c)));
    }
    out.finish();
  }
};

// Weights of voxels, by element.
template <class T>
struct ElementWeights {
  const T* w;
  Divider classes;
  template <int W>
  DUET_HOST_DEVICE Pack<T, W> at(Index first) const {
    Pack<T, W> values;
    if (w) {
      Index voxel = first, c = classes.take(voxel);
      for (int i = 0; i < W; ++i) {
        values.v[i] = w[voxel];
        if (++c == classes.by) {
          c = 0;
          ++voxel;
        }
      }
    } else {
      for (int i = 0; i < W; ++i) values.v[i] = T(1);
    }
    return values;
  }
};

template <class T>
struct SquaredTerms {
  const T *a, *b;
  ElementWeights<T> weights;
  template <int W>
  DUET_HOST_DEVICE void at(Index, Index first, double* sums) const {
    const auto left = load<W>(a, first), right = load<W>(b, first);
    const auto w = weights.template at<W>(first);
    T total = 0;
    for (int i = 0; i < W; ++i) {
      const T d = left.v[i] - right.v[i];
      total += w.v[i] * (d * d);
    }
    sums[0] += static_cast<double>(total);
  }
};

// da = or += 2 dloss w (a - b) / (C denominator).
template <class T>
struct SquaredGradient {
  const T *a, *b;
  ElementWeights<T> weights;
  const T *denominator, *dloss;
  T* da;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    auto values = load<W>(a, first);
    const auto others = load<W>(b, first);
    const auto w = weights.template at<W>(first);
    const T factor = T(2) * dloss[0] / (static_cast<T>(weights.classes.by) * denominator[0]);
    for (int i = 0; i < W; ++i) values.v[i] = factor * w.v[i] * (values.v[i] - others.v[i]);
    store<W>(da, first, values, accum);
  }
};

// loss = sum / (per * denominator).
template <class T>
struct StoreLoss {
  double per;
  const T* denominator;
  T* loss;
  DUET_HOST_DEVICE void operator()(Index, const double* sums) const {
    loss[0] = static_cast<T>(sums[0] / (per * static_cast<double>(denominator[0])));
  }
};

class CudaLoss final : public LossKernels {
 public:
  explicit CudaLoss(const Room& room) : room_(room) {}

  void softmax_forward(ConstView x, View y) override { cuda::softmax_forward(room_, x, y); }
  void softmax_backward(ConstView y, ConstView dy, View dx, Accum accum) override {
    cuda::softmax_backward(room_, y, dy, dx, accum);
  }
  void log_softmax_forward(ConstView x, View y) override { cuda::log_softmax_forward(room_, x, y); }
  void log_softmax_backward(ConstView y, ConstView dy, View dx, Accum accum) override {
    cuda::log_softmax_backward(room_, y, dy, dx, accum);
  }

  void cross_entropy_forward(ConstView logits, LossTarget target, ConstView weights, ConstView denominator,
                             View loss) override {
    check_loss("cross_entropy", logits, target, weights);
    with_type("cross_entropy", logits.dtype, [&](auto type) {
      using T = decltype(type);
      const bool vectorised = aligned(logits.data, target.values.data, weights.data);
      with_target<T>(target, [&](auto t) {
        with_classes(logits.shape.c, vectorised, [&](auto classes) {
          using Classes = decltype(classes);
          const EntropyTerms<T, decltype(t), Classes> f{
              logits.as<T>(), t, {data_or_null<T>(weights)}, classes};
          sum_packs<1, kVoxels<T, Classes>>(room_, "cross_entropy", 1, logits.shape.rows(), f,
                                            StoreLoss<T>{1.0, denominator.as<T>(), loss.as<T>()});
        });
      });
    });
  }

  void cross_entropy_backward(ConstView logits, LossTarget target, ConstView weights, ConstView denominator,
                              ConstView dloss, View dlogits, Accum accum) override {
    check_loss("cross_entropy_backward", logits, target, weights);
    check_same("cross_entropy_backward", logits.shape, dlogits.shape);
    with_type("cross_entropy_backward", logits.dtype, [&](auto type) {
      using T = decltype(type);
      const bool vectorised = aligned(logits.data, target.values.data, weights.data, dlogits.data);
      with_target<T>(target, [&](auto t) {
        with_classes(logits.shape.c, vectorised, [&](auto classes) {
          const EntropyGradient<T, decltype(t), decltype(classes)> f{
              logits.as<T>(),  t,    {data_or_null<T>(weights)}, classes, denominator.as<T>(), dloss.as<T>(),
              dlogits.as<T>(), accum};
          for_voxels<T>(*room_.driver, "cross_entropy_backward", logits.shape.rows(), classes, f);
        });
      });
    });
  }

  void dice_forward(const DiceSpec& spec, ConstView probabilities, LossTarget target, ConstView weights,
                    View sums, View loss) override {
    cuda::dice_forward(room_, spec, probabilities, target, weights, sums, loss);
  }
  void dice_backward(const DiceSpec& spec, LossTarget target, ConstView weights, ConstView sums,
                     ConstView dloss, View dprobabilities, Accum accum) override {
    cuda::dice_backward(room_, spec, target, weights, sums, dloss, dprobabilities, accum);
  }

  void segmentation_loss_forward(const DiceSpec& spec, ConstView logits, ConstView classes, ConstView weights,
                                 ConstView denominator, View sums, View loss) override {
    cuda::segmentation_loss_forward(room_, spec, logits, classes, weights, denominator, sums, loss);
  }
  void segmentation_loss_backward(const DiceSpec& spec, ConstView logits, ConstView classes,
                                  ConstView weights, ConstView denominator, ConstView sums, ConstView dloss,
                                  View dlogits, Accum accum) override {
    cuda::segmentation_loss_backward(room_, spec, logits, classes, weights, denominator, sums, dloss, dlogits,
                                     accum);
  }

  void squared_error_forward(ConstView a, ConstView b, ConstView weights, ConstView denominator,
                             View loss) override {
    check_squared("squared_error", a, b, weights);
    with_type("squared_error", a.dtype, [&](auto type) {
      using T = decltype(type);
      const SquaredTerms<T> f{a.as<T>(), b.as<T>(), {data_or_null<T>(weights), {a.shape.c}}};
      const StoreLoss<T> finish{static_cast<double>(a.shape.c), denominator.as<T>(), loss.as<T>()};
      sum_elements<1, T>(room_, "squared_error", 1, a.shape.elements(), aligned(a.data, b.data), f, finish);
    });
  }

  void squared_error_backward(ConstView a, ConstView b, ConstView weights, ConstView denominator,
                              ConstView dloss, View da, Accum accum) override {
    check_squared("squared_error_backward", a, b, weights);
    check_same("squared_error_backward", a.shape, da.shape);
    with_type("squared_error_backward", a.dtype, [&](auto type) {
      using T = decltype(type);
      const SquaredGradient<T> f{
          a.as<T>(),  b.as<T>(), {data_or_null<T>(weights), {a.shape.c}}, denominator.as<T>(), dloss.as<T>(),
          da.as<T>(), accum};
      for_packs<T>(*room_.driver, "squared_error_backward", a.shape.elements(),
                   aligned(a.data, b.data, da.data), f);
    });
  }

  void reduce_sum(const Reduction& axes, ConstView x, double factor, View y, Accum accum) override {
    cuda::reduce_sum(room_, axes, x, factor, y, accum);
  }
  void broadcast(const Reduction& axes, ConstView x, double factor, View y, Accum accum) override {
    cuda::broadcast(room_, axes, x, factor, y, accum);
  }
  void dot(ConstView a, ConstView b, View out, Accum accum) override { cuda::dot(room_, a, b, out, accum); }

 private:
  static void check_squared(const char* kernel, ConstView a, ConstView b, ConstView weights) {
    check_same(kernel, a.shape, b.shape);
    if (weights) check_same(kernel, weights.shape, a.shape.with_channels(1));
  }

  Room room_;
};

}  // namespace

std::unique_ptr<LossKernels> make_loss(const Room& room) { return std::make_unique<CudaLoss>(room); }

}  // namespace duet::cuda
