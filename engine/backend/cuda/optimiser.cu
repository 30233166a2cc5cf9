// Updates of parameters in place, in packs of 128 bits.
#include "engine/backend/cuda/cuda.h"
#include "engine/backend/cuda/launch.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/functors.h"

namespace duet::cuda {
namespace {

template <class T>
struct Sgd {
  functors::SgdUpdate update;
  const T* grad;
  T *momentum, *parameter;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const auto g = load<W>(grad, first);
    auto m = load<W>(momentum, first), p = load<W>(parameter, first);
    for (int i = 0; i < W; ++i) update(g.v[i], m.v[i], p.v[i]);
    store<W>(momentum, first, m, Accum::write);
    store<W>(parameter, first, p, Accum::write);
  }
};

template <class T>
struct AdamW {
  functors::AdamWUpdate<T> update;
  const T* grad;
  T *first_moment, *second_moment, *parameter;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const auto g = load<W>(grad, first);
    auto m = load<W>(first_moment, first), v = load<W>(second_moment, first), p = load<W>(parameter, first);
    for (int i = 0; i < W; ++i) update(g.v[i], m.v[i], v.v[i], p.v[i]);
    store<W>(first_moment, first, m, Accum::write);
    store<W>(second_moment, first, v, Accum::write);
    store<W>(parameter, first, p, Accum::write);
  }
};

template <class T>
struct Ema {
  functors::EmaUpdate update;
  const T* x;
  T* average;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const auto values = load<W>(x, first);
    auto averages = load<W>(average, first);
    for (int i = 0; i < W; ++i) averages.v[i] = update(averages.v[i], values.v[i]);
    store<W>(average, first, averages, Accum::write);
  }
};

class CudaOptimiser final : public OptimiserKernels {
 public:
  explicit CudaOptimiser(const Room& room) : room_(room) {}

  void sgd_step(const SgdStep& step, double grad_scale, ConstView grad, View momentum,
                View parameter) override {
    check_same("sgd_step", parameter.shape, grad.shape);
    check_same("sgd_step", parameter.shape, momentum.shape);
    with_type("sgd_step", parameter.dtype, [&](auto type) {
      using T = decltype(type);
      const functors::SgdUpdate update{step.rate, step.momentum, step.weight_decay, grad_scale,
                                       step.nesterov};
      for_packs<T>(*room_.driver, "sgd_step", parameter.shape.elements(),
                   aligned(grad.data, momentum.data, parameter.data),
                   Sgd<T>{update, grad.as<T>(), momentum.as<T>(), parameter.as<T>()});
    });
  }

  void adamw_step(const AdamWStep& step, double grad_scale, ConstView grad, View first, View second,
                  View parameter) override {
    check_same("adamw_step", parameter.shape, grad.shape);
    check_same("adamw_step", parameter.shape, first.shape);
    check_same("adamw_step", parameter.shape, second.shape);
    DUET_CHECK(step.t >= 1, "adamw_step: step ", step.t, " should be at least 1");
    with_type("adamw_step", parameter.dtype, [&](auto type) {
      using T = decltype(type);
      for_packs<T>(*room_.driver, "adamw_step", parameter.shape.elements(),
                   aligned(grad.data, first.data, second.data, parameter.data),
                   AdamW<T>{functors::AdamWUpdate<T>(step, grad_scale), grad.as<T>(), first.as<T>(),
                            second.as<T>(), parameter.as<T>()});
    });
  }

  void ema_update(double decay, ConstView x, View average) override {
    check_same("ema_update", average.shape, x.shape);
    with_type("ema_update", average.dtype, [&](auto type) {
      using T = decltype(type);
      for_packs<T>(*room_.driver, "ema_update", average.shape.elements(), aligned(x.data, average.data),
                   Ema<T>{{decay}, x.as<T>(), average.as<T>()});
    });
  }

 private:
  Room room_;
};

}  // namespace

std::unique_ptr<OptimiserKernels> make_optimiser(const Room& room) {
  return std::make_unique<CudaOptimiser>(room);
}

}  // namespace duet::cuda
