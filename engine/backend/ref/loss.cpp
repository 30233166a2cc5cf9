#include <cmath>

#include "engine/backend/ref/loss_parts.h"
#include "engine/backend/ref/ref.h"
#include "engine/kernels/dispatch.h"

namespace duet::ref {
namespace {

double scalar(ConstView view) {
  double value = 0;
  with_type("loss", view.dtype, [&](auto t) { value = static_cast<double>(*view.as<decltype(t)>()); });
  return value;
}

void set_scalar(View view, double value) {
  with_type("loss", view.dtype, [&](auto t) { *view.as<decltype(t)>() = static_cast<decltype(t)>(value); });
}

// CE = sum_c t_c (ln sum_k exp(z_k) - z_c), with ln sum_k exp(z_k) = m + ln sum_k exp(z_k - m), m = max_k
// z_k; for a class index t is 1 there and 0 elsewhere.
template <class T>
double cross_entropy_sum(const Memory& memory, ConstView logits, LossTarget target, const T* w) {
  const T* const z = logits.as<T>();
  double total = 0;
  with_channels(logits.shape.c, [&](auto channels) {
    if (target.soft()) {
      total = sum_of_voxels(memory, logits.shape.rows(), channels, [=, t = target.values.as<T>()](Index v) {
        const T* const row = z + v * channels;
        const T m = greatest(row, channels);
        const double log_sum = std::log(static_cast<T>(sum_exp(row, m, channels)));
        double loss = 0;
        for (Index c = 0; c < channels; ++c) {
          loss += static_cast<double>(t[v * channels + c]) * (log_sum - static_cast<double>(row[c] - m));
        }
        return w ? static_cast<double>(w[v]) * loss : loss;
      });
    } else {
      total = sum_of_voxels(
          memory, logits.shape.rows(), channels, [=, t = target.values.as<std::uint8_t>()](Index v) {
            const T* const row = z + v * channels;
            const T m = greatest(row, channels);
            const double loss =
                std::log(static_cast<T>(sum_exp(row, m, channels))) - static_cast<double>(row[t[v]] - m);
            return w ? static_cast<double>(w[v]) * loss : loss;
          });
    }
  });
  return total;
}

template <bool kAdd, class T>
void cross_entropy_gradient(ConstView logits, LossTarget target, const T* w, double factor, View dlogits) {
  with_target<T>(target, [&](auto t) {
    for_voxels(logits.shape, [=, z = logits.as<T>(), out = dlogits.as<T>()](Index v, auto channels) {
      const T* const row = z + v * channels;
      const T f = static_cast<T>(w ? factor * static_cast<double>(w[v]) : factor);
      const T m = greatest(row, channels);
      T target_sum = 0;
      for (Index c = 0; c < channels; ++c) target_sum += t(v, c, channels);
      const T scale = target_sum / static_cast<T>(sum_exp(row, m, channels));
      for (Index c = 0; c < channels; ++c) {
        put<kAdd>(out[v * channels + c], f * (exp_nonpositive(row[c] - m) * scale - t(v, c, channels)));
      }
    });
  });
}

class RefLoss final : public LossKernels {
 public:
  explicit RefLoss(Memory memory) : memory_(std::move(memory)) {}

  void softmax_forward(ConstView x, View y) override { ref::softmax_forward(x, y); }
  void softmax_backward(ConstView y, ConstView dy, View dx, Accum accum) override {
    ref::softmax_backward(y, dy, dx, accum);
  }
  void log_softmax_forward(ConstView x, View y) override { ref::log_softmax_forward(x, y); }
  void log_softmax_backward(ConstView y, ConstView dy, View dx, Accum accum) override {
    ref::log_softmax_backward(y, dy, dx, accum);
  }

  void cross_entropy_forward(ConstView logits, LossTarget target, ConstView weights, ConstView denominator,
                             View loss) override {
    check_loss("cross_entropy", logits, target, weights);
    with_type("cross_entropy", logits.dtype, [&](auto t) {
      using T = decltype(t);
      set_scalar(loss,
                 cross_entropy_sum(memory_, logits, target, data_or_null<T>(weights)) / scalar(denominator));
    });
  }

  void cross_entropy_backward(ConstView logits, LossTarget target, ConstView weights, ConstView denominator,
                              ConstView dloss, View dlogits, Accum accum) override {
    check_loss("cross_entropy_backward", logits, target, weights);
    check_same("cross_entropy_backward", logits.shape, dlogits.shape);
    const double factor = scalar(dloss) / scalar(denominator);
    with_type("cross_entropy_backward", logits.dtype, [&](auto t) {
      using T = decltype(t);
      with_accum(accum, [&](auto add) {
        cross_entropy_gradient<decltype(add)::value>(logits, target, data_or_null<T>(weights), factor,
                                                     dlogits);
      });
    });
  }

  void dice_forward(const DiceSpec& spec, ConstView probabilities, LossTarget target, ConstView weights,
                    View sums, View loss) override {
    ref::dice_forward(memory_, spec, probabilities, target, weights, sums, loss);
  }
  void dice_backward(const DiceSpec& spec, LossTarget target, ConstView weights, ConstView sums,
                     ConstView dloss, View dprobabilities, Accum accum) override {
    ref::dice_backward(spec, target, weights, sums, dloss, dprobabilities, accum);
  }

  void segmentation_loss_forward(const DiceSpec& spec, ConstView logits, ConstView classes, ConstView weights,
                                 ConstView denominator, View sums, View loss) override {
    ref::segmentation_loss_forward(memory_, spec, logits, classes, weights, denominator, sums, loss);
  }
  void segmentation_loss_backward(const DiceSpec& spec, ConstView logits, ConstView classes,
                                  ConstView weights, ConstView denominator, ConstView sums, ConstView dloss,
                                  View dlogits, Accum accum) override {
    ref::segmentation_loss_backward(memory_, spec, logits, classes, weights, denominator, sums, dloss,
                                    dlogits, accum);
  }

  void squared_error_forward(ConstView a, ConstView b, ConstView weights, ConstView denominator,
                             View loss) override {
    check_same("squared_error", a.shape, b.shape);
    with_type("squared_error", a.dtype, [&](auto t) {
      using T = decltype(t);
      with_channels(a.shape.c, [&](auto channels) {
        const double sum =
            sum_of_voxels(memory_, a.shape.rows(), channels,
                          [channels, a = a.as<T>(), b = b.as<T>(), w = data_or_null<T>(weights)](Index v) {
                            double squares = 0;
                            for (Index c = 0; c < channels; ++c) {
                              const double d = static_cast<double>(a[v * channels + c]) -
                                               static_cast<double>(b[v * channels + c]);
                              squares += d * d;
                            }
                            return w ? static_cast<double>(w[v]) * squares : squares;
                          });
        set_scalar(loss, sum / (static_cast<double>(a.shape.c) * scalar(denominator)));
      });
    });
  }

  void squared_error_backward(ConstView a, ConstView b, ConstView weights, ConstView denominator,
                              ConstView dloss, View da, Accum accum) override {
    check_same("squared_error_backward", a.shape, b.shape);
    check_same("squared_error_backward", a.shape, da.shape);
    const double factor = 2.0 * scalar(dloss) / (static_cast<double>(a.shape.c) * scalar(denominator));
    with_type("squared_error_backward", a.dtype, [&](auto t) {
      using T = decltype(t);
      with_accum(accum, [&](auto add) {
        for_voxels(a.shape, [factor, a = a.as<T>(), b = b.as<T>(), w = data_or_null<T>(weights),
                             out = da.as<T>()](Index v, auto channels) {
          const T f = static_cast<T>(w ? factor * static_cast<double>(w[v]) : factor);
          for (Index i = v * channels; i < (v + 1) * channels; ++i) {
            put<decltype(add)::value>(out[i], f * (a[i] - b[i]));
          }
        });
      });
    });
  }

  void reduce_sum(const Reduction& axes, ConstView x, double factor, View y, Accum accum) override {
    ref::reduce_sum(memory_, axes, x, factor, y, accum);
  }
  void broadcast(const Reduction& axes, ConstView x, double factor, View y, Accum accum) override {
    ref::broadcast(memory_, axes, x, factor, y, accum);
  }
  void dot(ConstView a, ConstView b, View out, Accum accum) override { ref::dot(memory_, a, b, out, accum); }

 private:
  Memory memory_;
};

}  // namespace

void check_loss(const char* kernel, ConstView scores, LossTarget target, ConstView weights) {
  const Shape one = scores.shape.with_channels(1);
  check_same(kernel, target.values.shape, target.soft() ? scores.shape : one);
  if (weights) check_same(kernel, weights.shape, one);
  if (target.soft()) return;
  const std::uint8_t* const classes = target.values.as<std::uint8_t>();
  std::uint8_t greatest = 0;
  for (Index v = 0; v < one.rows(); ++v) greatest = std::max(greatest, classes[v]);
  DUET_CHECK(greatest < scores.shape.c, kernel, ": expected classes below ", scores.shape.c, ", found ",
             static_cast<int>(greatest));
}

}  // namespace duet::ref

namespace duet {

std::unique_ptr<LossKernels> make_ref_loss(std::shared_ptr<Allocator> memory) {
  return std::make_unique<ref::RefLoss>(std::move(memory));
}

}  // namespace duet
