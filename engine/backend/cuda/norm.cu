// Normalisation with what follows it: passes over x that read coefficients from the table of norm_table.h.
#include <cmath>

#include "engine/backend/cuda/channels.h"
#include "engine/backend/cuda/norm.h"
#include "engine/backend/cuda/norm_table.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

// y = activated z + skip. In place each thread reads its elements before it writes them.
template <class T>
struct Forward {
  const T *x, *skip;
  NormCoefficients<Compute<T>> coefficients;
  Divider skip_samples;
  Index sample_size;
  Compute<T> slope;
  T* y;
  template <int W>
  DUET_HOST_DEVICE void at(Index first, Index sample, Index channel) const {
    using C = Compute<T>;
    auto values = load<W>(x, first);
    const auto mean = coefficients.template get<W>(sample, kMean, channel);
    const auto factor = coefficients.template get<W>(sample, kFactor, channel);
    const auto offset = coefficients.template get<W>(sample, kOffset, channel);
    for (int i = 0; i < W; ++i) {
      const C z = normalised(values.v[i] - mean.v[i], factor.v[i], offset.v[i]);
      values.v[i] = z > C(0) ? z : slope * z;
    }
    if (skip) {
      const Index back = skip_samples.quotient(sample) * skip_samples.by * sample_size;
      const auto added = load<W>(skip, first - back);
      for (int i = 0; i < W; ++i) values.v[i] += added.v[i];
    }
    store<W>(y, first, values, Accum::write);
  }
};

constexpr int kGradientStrip = 4;

// Sums of dz and of dz d.
template <class T>
struct GradientTerms {
  static constexpr int kBlocks = 2;
  const T *x, *dy;
  NormCoefficients<Compute<T>> coefficients;
  Strips<kGradientStrip> strips;
  Compute<T> slope;
  template <int W>
  DUET_HOST_DEVICE void add(Index sample, Index strip, Index channel, double* sums) const {
    using C = Compute<T>;
    const Index channels = coefficients.channels;
    const Index first = sample * strips.rows * channels + channel;
    const auto mean = coefficients.template get<W>(sample, kMean, channel);
    const auto factor = coefficients.template get<W>(sample, kFactor, channel);
    const auto offset = coefficients.template get<W>(sample, kOffset, channel);
    Pack<C, W> sum{}, product{};
    const auto add_row = [&](const Pack<T, W>& value, const Pack<T, W>& gradient) {
      for (int i = 0; i < W; ++i) {
        const C d = static_cast<C>(value.v[i]) - mean.v[i], g = static_cast<C>(gradient.v[i]);
        const C dz = normalised(d, factor.v[i], offset.v[i]) > C(0) ? g : slope * g;
        sum.v[i] += dz;
        product.v[i] += dz * d;
      }
    };
    const auto at = [&](const T* of, int j) { return row_of<W>(strips, strip, j, of, first, channels); };
    if (strips.whole(strip)) {  // all but the last: no test between the loads
      Pack<T, W> values[kGradientStrip], gradients[kGradientStrip];
      DUET_UNROLL for (int j = 0; j < kGradientStrip; ++j) {
        values[j] = at(x, j);
        gradients[j] = at(dy, j);
      }
      DUET_UNROLL for (int j = 0; j < kGradientStrip; ++j) add_row(values[j], gradients[j]);
    } else {
      for (int j = 0; j < kGradientStrip && strips.has(strip, j); ++j) add_row(at(x, j), at(dy, j));
    }
    for (int i = 0; i < W; ++i) {
      sums[i] += static_cast<double>(sum.v[i]);
      sums[W + i] += static_cast<double>(product.v[i]);
    }
  }
};

template <class C>
struct FinishGradients {
  NormSets sets;
  double epsilon;
  const C* var;
  Index channels;
  C* to;  // (N, 2, C)
  DUET_HOST_DEVICE void operator()(Index sample, Index channel, const double* sums) const {
    const double r = 1.0 / std::sqrt(static_cast<double>(var[sets.at(sample, channel)]) + epsilon);
    to[2 * sample * channels + channel] = static_cast<C>(sums[0]);
    to[(2 * sample + 1) * channels + channel] = static_cast<C>(sums[1] * r);
  }
};

template <class C>
struct SumParameters {
  const C* sums;  // (samples, 2, C)
  Index samples, channels;
  C *dgamma, *dbeta;  // each may be empty
  Accum gamma_accum, beta_accum;
  DUET_HOST_DEVICE void put(C* to, Index channel, Index row, Accum accum) const {
    if (!to) return;
    double sum = 0;
    for (Index n = 0; n < samples; ++n) {
      sum += static_cast<double>(sums[(2 * n + row) * channels + channel]);
    }
    to[channel] = static_cast<C>(accum == Accum::add ? static_cast<double>(to[channel]) + sum : sum);
  }
  DUET_HOST_DEVICE void operator()(Index channel) const {
    put(dbeta, channel, 0, beta_accum);
    put(dgamma, channel, 1, gamma_accum);
  }
};

// dx = or += factor dz + linear d + constant; dx may be dy.
template <class T>
struct BackwardData {
  const T *x, *dy;
  NormCoefficients<Compute<T>> coefficients;
  Compute<T> slope;
  T* dx;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first, Index sample, Index channel) const {
    using C = Compute<T>;
    const auto values = load<W>(x, first);
    auto gradients = load<W>(dy, first);
    const auto mean = coefficients.template get<W>(sample, kMean, channel);
    const auto factor = coefficients.template get<W>(sample, kFactor, channel);
    const auto offset = coefficients.template get<W>(sample, kOffset, channel);
    const auto linear = coefficients.template get<W>(sample, kLinear, channel);
    const auto constant = coefficients.template get<W>(sample, kConstant, channel);
    for (int i = 0; i < W; ++i) {
      const C d = values.v[i] - mean.v[i], g = gradients.v[i];
      const C dz = normalised(d, factor.v[i], offset.v[i]) > C(0) ? g : slope * g;
      gradients.v[i] = factor.v[i] * dz + (linear.v[i] * d + constant.v[i]);
    }
    store<W>(dx, first, gradients, accum);
  }
};

class CudaNorm final : public NormKernels {
 public:
  explicit CudaNorm(const Room& room) : room_(room) {}

  void norm_statistics(const NormSpec& spec, ConstView x, View mean, View var) override {
    check(spec, x, mean, var);
    take_statistics(room_, spec, x, mean, var);
  }

  void norm_forward(const NormSpec& spec, const NormOperands& in, ConstView skip, View y) override {
    check(spec, in);
    const Shape& shape = in.x.shape;
    check_same("norm_forward", shape, y.shape);
    DUET_CHECK(!skip || (shape == skip.shape.with_batch(shape.n) && shape.n % skip.shape.n == 0),
               "norm_forward: skip ", skip.shape, " of ", shape);
    with_storage("norm_forward", in.x.dtype, [&](auto type) {
      using T = decltype(type);
      using C = Compute<T>;
      const NormTable<C> table(room_, spec, in, kForward, {});
      for_channel_packs<T>(*room_.driver, "norm_forward", shape, aligned(in.x.data, skip.data, y.data),
                           Forward<T>{in.x.as<T>(), skip ? skip.as<T>() : nullptr, table.coefficients(),
                                      Divider{skip ? skip.shape.n : shape.n}, shape.voxels() * shape.c,
                                      static_cast<C>(in.slope), y.as<T>()});
    });
  }

  void norm_backward_sums(const NormSpec& spec, const NormOperands& in, ConstView dy, View sums) override {
    check(spec, in);
    const Shape& shape = in.x.shape;
    check_same("norm_backward_sums", shape, dy.shape);
    check_same("norm_backward_sums", sums.shape, {shape.n, 1, 1, 2, shape.c});
    with_storage("norm_backward_sums", in.x.dtype, [&](auto type) {
      using T = decltype(type);
      using C = Compute<T>;
      const NormTable<C> table(room_, spec, in, kForward, {});
      sum_samples<T, kGradientStrip>(
          room_, "norm_backward_sums", shape, aligned(in.x.data, dy.data),
          GradientTerms<T>{in.x.as<T>(), dy.as<T>(), table.coefficients(),
                           Strips<kGradientStrip>(shape.voxels()), static_cast<C>(in.slope)},
          FinishGradients<C>{NormSets(spec, shape), spec.epsilon, in.var.as<C>(), shape.c, sums.as<C>()});
    });
  }

  void norm_backward_parameters(ConstView sums, View dgamma, Accum gamma_accum, View dbeta,
                                Accum beta_accum) override {
    const Index channels = sums.shape.c;
    check_same("norm_backward_parameters", sums.shape, {sums.shape.n, 1, 1, 2, channels});
    if (dgamma) check_same("norm_backward_parameters", dgamma.shape, Shape::vector(channels));
    if (dbeta) check_same("norm_backward_parameters", dbeta.shape, Shape::vector(channels));
    with_type("norm_backward_parameters", sums.dtype, [&](auto type) {
      using C = decltype(type);
      for_items(*room_.driver, "norm_backward_parameters", channels,
                SumParameters<C>{sums.as<C>(), sums.shape.n, channels, dgamma ? dgamma.as<C>() : nullptr,
                                 dbeta ? dbeta.as<C>() : nullptr, gamma_accum, beta_accum});
    });
  }

  void norm_backward_data(const NormSpec& spec, const NormOperands& in, ConstView dy, ConstView sums, View dx,
                          Accum accum) override {
    check(spec, in);
    const Shape& shape = in.x.shape;
    check_same("norm_backward_data", shape, dy.shape);
    check_same("norm_backward_data", shape, dx.shape);
    const ConstView used = spec.fixed_statistics ? ConstView{} : sums;
    if (used) check_same("norm_backward_data", sums.shape, {shape.n, 1, 1, 2, shape.c});
    with_storage("norm_backward_data", in.x.dtype, [&](auto type) {
      using T = decltype(type);
      using C = Compute<T>;
      const NormTable<C> table(room_, spec, in, kBackward, used);
      for_channel_packs<T>(*room_.driver, "norm_backward_data", shape, aligned(in.x.data, dy.data, dx.data),
                           BackwardData<T>{in.x.as<T>(), dy.as<T>(), table.coefficients(),
                                           static_cast<C>(in.slope), dx.as<T>(), accum});
    });
  }

  void norm_update_running(ConstView mean, ConstView var, Index count, double momentum, View running_mean,
                           View running_var) override {
    update_running(room_, mean, var, count, momentum, running_mean, running_var);
  }

 private:
  static void check(const NormSpec& spec, ConstView x, ConstView mean, ConstView var) {
    const Shape expected = norm_statistics_shape(spec, x.shape);
    check_same("norm", expected, mean.shape);
    check_same("norm", expected, var.shape);
  }
  static void check(const NormSpec& spec, const NormOperands& in) { check(spec, in.x, in.mean, in.var); }

  Room room_;
};

}  // namespace

std::unique_ptr<NormKernels> make_norm(const Room& room) { return std::make_unique<CudaNorm>(room); }

}  // namespace duet::cuda
