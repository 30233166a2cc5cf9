// Updates of parameters in place, in packs of 128 bits, many tensors a launch.
#include <utility>

#include "engine/backend/cuda/cuda.h"
#include "engine/backend/cuda/lists.h"
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

  void sgd_step(const SgdStep& step, double grad_scale, const std::vector<SgdTensors>& tensors) override {
    const functors::SgdUpdate update{step.rate, step.momentum, step.weight_decay, grad_scale, step.nesterov};
    for (const SgdTensors& t : tensors) {
      check_same("sgd_step", t.parameter.shape, t.grad.shape);
      check_same("sgd_step", t.parameter.shape, t.momentum.shape);
    }
    run<SgdTensors>("sgd_step", tensors, &SgdTensors::parameter, [&](auto type, const SgdTensors& t) {
      using T = decltype(type);
      return std::pair(Sgd<T>{update, t.grad.as<T>(), t.momentum.as<T>(), t.parameter.as<T>()},
                       aligned(t.grad.data, t.momentum.data, t.parameter.data));
    });
  }

  void adamw_step(const AdamWStep& step, double grad_scale,
                  const std::vector<AdamWTensors>& tensors) override {
    DUET_CHECK(step.t >= 1, "adamw_step: step ", step.t, " should be at least 1");
    for (const AdamWTensors& t : tensors) {
      check_same("adamw_step", t.parameter.shape, t.grad.shape);
      check_same("adamw_step", t.parameter.shape, t.m.shape);
      check_same("adamw_step", t.parameter.shape, t.v.shape);
    }
    run<AdamWTensors>("adamw_step", tensors, &AdamWTensors::parameter, [&](auto type, const AdamWTensors& t) {
      using T = decltype(type);
      return std::pair(AdamW<T>{functors::AdamWUpdate<T>(step, grad_scale), t.grad.as<T>(), t.m.as<T>(),
                                t.v.as<T>(), t.parameter.as<T>()},
                       aligned(t.grad.data, t.m.data, t.v.data, t.parameter.data));
    });
  }

  void ema_update(double decay, const std::vector<EmaTensors>& tensors) override {
    for (const EmaTensors& t : tensors) check_same("ema_update", t.average.shape, t.x.shape);
    run<EmaTensors>("ema_update", tensors, &EmaTensors::average, [&](auto type, const EmaTensors& t) {
      using T = decltype(type);
      return std::pair(Ema<T>{{decay}, t.x.as<T>(), t.average.as<T>()}, aligned(t.x.data, t.average.data));
    });
  }

 private:
  // make(T{}, tensors): the functor, and whether its pointers are aligned; one launch list a type.
  template <class Tensors, class Make>
  void run(const char* name, const std::vector<Tensors>& tensors, View Tensors::*main,
           const Make& make) const {
    for (const Tensors& t : tensors) with_type(name, (t.*main).dtype, [](auto) {});
    run_type<float>(name, tensors, main, make);
    run_type<double>(name, tensors, main, make);
  }
  template <class T, class Tensors, class Make>
  void run_type(const char* name, const std::vector<Tensors>& tensors, View Tensors::*main,
                const Make& make) const {
    using F = typename decltype(make(T{}, std::declval<const Tensors&>()))::first_type;
    std::vector<Listed<F>> list;
    bool vectorised = true;
    for (const Tensors& t : tensors) {
      if ((t.*main).dtype != dtype_of<T>()) continue;
      const auto [f, is_aligned] = make(T{}, t);
      list.push_back({f, (t.*main).shape.elements()});
      vectorised = vectorised && is_aligned;
    }
    for_lists<T>(*room_.driver, name, list, vectorised);
  }

  Room room_;
};

}  // namespace

std::unique_ptr<OptimiserKernels> make_optimiser(const Room& room) {
  return std::make_unique<CudaOptimiser>(room);
}

}  // namespace duet::cuda
