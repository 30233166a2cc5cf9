#include <cmath>

#include "engine/backend/ref/chunks.h"
#include "engine/backend/ref/ref.h"
#include "engine/backend/ref/scratch.h"
#include "engine/kernels/dispatch.h"

namespace duet {
namespace {

using namespace ref;

// Which mean and variance a sample and channel belong to.
struct Statistics {
  Index sets, groups;    // mean and var are (sets, groups)
  Index samples_of_set;  // all of them where statistics are fixed
  Index channels_of_group;
  Index count;  // values of one mean

  Statistics(const NormSpec& spec, const Shape& x) {
    const Shape shape = norm_statistics_shape(spec, x);
    sets = shape.n;
    groups = shape.c;
    samples_of_set = x.n / sets;
    channels_of_group = x.c / groups;
    count = samples_of_set * x.voxels() * channels_of_group;
  }
  Index at(Index sample, Index c) const { return sample / samples_of_set * groups + c / channels_of_group; }
};

// Mean and sum of squared differences from it; two of them merge without cancellation (Chan et al. 1979).
struct Moments {
  double count = 0, mean = 0, m2 = 0;

  void merge(const Moments& other) {
    const double total = count + other.count;
    const double delta = other.mean - mean;
    mean += delta * other.count / total;
    m2 += other.m2 + delta * delta * count * other.count / total;
    count = total;
  }
};

template <class T>
double value_of(T x) {
  return static_cast<double>(static_cast<Compute<T>>(x));
}

double inverse_deviation(double var, double epsilon) { return 1.0 / std::sqrt(var + epsilon); }

template <class T>
void statistics(const std::shared_ptr<Allocator>& memory, const NormSpec& spec, ConstView x, View mean,
                View var) {
  const Statistics which(spec, x.shape);
  const Chunks chunks(x.shape);
  const Index channels = chunks.channels, width = lane_width(channels);
  const Scratch<double> scratch(memory, chunks.tasks() * 3 * width, "norm_statistics");
  const T* const in = x.as<T>();

  // For each chunk and channel: mean and m2, from sums of x and x^2 shifted by the first voxel.
  for_chunks(chunks, [&](const Chunk& chunk) {
    const T* const values = in + chunk.begin;
    double* const sum = scratch.data() + chunk.task * 3 * width;
    double* const square = sum + width;
    double* const shift = square + width;
    std::fill(sum, sum + 2 * width, 0.0);
    for (Index c = 0; c < channels; ++c) shift[c] = value_of(values[c]);
    tile(shift, channels, width);
    for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
      for (Index l = 0; l < n; ++l) {
        const double d = value_of(values[i + l]) - shift[l];
        sum[l] += d;
        square[l] += d * d;
      }
    });
    fold(sum, channels, width);
    fold(square, channels, width);
    const Index voxels = chunk.count / channels;
    const auto rows = static_cast<double>(voxels);
    for (Index c = 0; c < channels; ++c) {
      square[c] = std::max(0.0, square[c] - sum[c] * sum[c] / rows);
      sum[c] = shift[c] + sum[c] / rows;
    }
  });

  using C = Compute<T>;
  C* const means = mean.as<C>();
  C* const vars = var.as<C>();
  parallel_for(which.sets * which.groups, [&](Index at) {
    const Index set = at / which.groups, group = at - set * which.groups;
    const Index first_task = set * which.samples_of_set * chunks.per_sample;
    Moments all;
    for (Index task = first_task; task < first_task + which.samples_of_set * chunks.per_sample; ++task) {
      const double* const partial = scratch.data() + task * 3 * width;
      const Index voxels = chunks.at(task).count / channels;
      const auto rows = static_cast<double>(voxels);
      for (Index c = group * which.channels_of_group; c < (group + 1) * which.channels_of_group; ++c) {
        all.merge({rows, partial[c], partial[width + c]});
      }
    }
    means[at] = static_cast<C>(all.mean);
    vars[at] = static_cast<C>(all.m2 / all.count);
  });
}

// For each sample and lane what z = (x - mean) * factor + offset takes: rows of `width` means, factors and
// offsets, and `extra` more rows for the caller.
template <class C>
class LaneTable {
 public:
  LaneTable(const std::shared_ptr<Allocator>& memory, const NormSpec& spec, const NormOperands& in,
            const Statistics& which, Index extra)
      : width(lane_width(in.x.shape.c)),
        rows_(3 + extra),
        table_(memory, in.x.shape.n * rows_ * width, "norm") {
    const C *means = in.mean.as<C>(), *vars = in.var.as<C>();
    const C* gammas = in.gamma ? in.gamma.as<C>() : nullptr;
    const C* betas = in.beta ? in.beta.as<C>() : nullptr;
    for (Index sample = 0; sample < in.x.shape.n; ++sample) {
      C *m = row(sample, 0), *factor = row(sample, 1), *offset = row(sample, 2);
      for (Index c = 0; c < in.x.shape.c; ++c) {
        const Index at = which.at(sample, c);
        m[c] = means[at];
        factor[c] = static_cast<C>((gammas ? static_cast<double>(gammas[c]) : 1.0) *
                                   inverse_deviation(static_cast<double>(vars[at]), spec.epsilon));
        offset[c] = betas ? betas[c] : C(0);
      }
      for (Index r = 0; r < 3; ++r) tile(row(sample, r), in.x.shape.c, width);
    }
  }
  C* row(Index sample, Index r) const { return table_.data() + (sample * rows_ + r) * width; }

  Index width;

 private:
  Index rows_;
  Scratch<C> table_;
};

template <class T>
void forward(const std::shared_ptr<Allocator>& memory, const NormSpec& spec, const NormOperands& operands,
             ConstView skip, View y) {
  using C = Compute<T>;
  const Statistics which(spec, operands.x.shape);
  const Chunks chunks(operands.x.shape);
  const LaneTable<C> table(memory, spec, operands, which, 0);
  const C slope = static_cast<C>(operands.slope);
  const Index width = table.width, sample_size = chunks.voxels * chunks.channels;
  const T* const in = operands.x.as<T>();
  const T* const added = skip ? skip.as<T>() : nullptr;
  T* const out = y.as<T>();
  for_chunks(chunks, [&](const Chunk& chunk) {
    const C* const m = table.row(chunk.sample, 0);
    const C* const factor = table.row(chunk.sample, 1);
    const C* const offset = table.row(chunk.sample, 2);
    const T* const from = in + chunk.begin;
    const Index again = skip ? chunk.sample % skip.shape.n - chunk.sample : 0;
    const T* const plus = added ? added + chunk.begin + again * sample_size : nullptr;
    T* const to = out + chunk.begin;
    for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
      for (Index l = 0; l < n; ++l) {
        const C z = (from[i + l] - m[l]) * factor[l] + offset[l];
        const C a = z > C(0) ? z : slope * z;
        to[i + l] = T(plus ? a + plus[i + l] : a);
      }
    });
  });
}

template <class T>
void backward_sums(const std::shared_ptr<Allocator>& memory, const NormSpec& spec,
                   const NormOperands& operands, ConstView dy, View sums) {
  using C = Compute<T>;
  const Statistics which(spec, operands.x.shape);
  const Chunks chunks(operands.x.shape);
  const LaneTable<C> table(memory, spec, operands, which, 0);
  const C slope = static_cast<C>(operands.slope);
  const Index channels = chunks.channels, width = table.width;
  const C* const vars = operands.var.as<C>();
  const T* const in = operands.x.as<T>();
  const T* const gradient = dy.as<T>();
  const Scratch<double> scratch(memory, chunks.tasks() * 2 * width, "norm_backward_sums");

  // For each chunk and channel: sums of dz and of dz (x - mean).
  for_chunks(chunks, [&](const Chunk& chunk) {
    const T* const values = in + chunk.begin;
    const T* const g = gradient + chunk.begin;
    const C* const m = table.row(chunk.sample, 0);
    const C* const factor = table.row(chunk.sample, 1);
    const C* const offset = table.row(chunk.sample, 2);
    double* const sum = scratch.data() + chunk.task * 2 * width;
    double* const product = sum + width;
    std::fill(sum, sum + 2 * width, 0.0);
    for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
      for (Index l = 0; l < n; ++l) {
        const C z = (values[i + l] - m[l]) * factor[l] + offset[l];
        const C dz = z > C(0) ? C(g[i + l]) : slope * g[i + l];
        sum[l] += static_cast<double>(dz);
        product[l] += static_cast<double>(dz) * (value_of(values[i + l]) - static_cast<double>(m[l]));
      }
    });
    fold(sum, channels, width);
    fold(product, channels, width);
  });

  C* const out = sums.as<C>();
  parallel_for(chunks.samples, [&](Index sample) {
    for (Index c = 0; c < channels; ++c) {
      double sum = 0, product = 0;
      for (Index k = 0; k < chunks.per_sample; ++k) {
        const double* const partial = scratch.data() + (sample * chunks.per_sample + k) * 2 * width;
        sum += partial[c];
        product += partial[width + c];
      }
      const double r = inverse_deviation(static_cast<double>(vars[which.at(sample, c)]), spec.epsilon);
      out[(2 * sample) * channels + c] = static_cast<C>(sum);
      out[(2 * sample + 1) * channels + c] = static_cast<C>(product * r);
    }
  });
}

// With M values of one mean, xhat = (x - mean) r, r = 1 / sqrt(var + eps), and sums over the values of one
// mean:
//   dx = r (gamma dz - sum(gamma dz) / M - xhat sum(gamma dz xhat) / M)      (both sums 0 where statistics
//   are fixed)
//      = factor dz - b - e (x - mean)
template <class T>
void backward_data(const std::shared_ptr<Allocator>& memory, const NormSpec& spec,
                   const NormOperands& operands, ConstView dy, ConstView sums, View dx, Accum accum) {
  using C = Compute<T>;
  const Statistics which(spec, operands.x.shape);
  const Chunks chunks(operands.x.shape);
  const LaneTable<C> table(memory, spec, operands, which, 2);
  const C slope = static_cast<C>(operands.slope);
  const Index channels = chunks.channels, width = table.width;
  const C* const vars = operands.var.as<C>();
  const C* const gammas = operands.gamma ? operands.gamma.as<C>() : nullptr;

  const Index statistics = which.sets * which.groups;
  const Scratch<double> totals(memory, 2 * statistics, "norm_backward_data");
  std::fill(totals.data(), totals.data() + 2 * statistics, 0.0);
  if (!spec.fixed_statistics) {
    const C* const s = sums.as<C>();
    for (Index sample = 0; sample < chunks.samples; ++sample) {
      for (Index c = 0; c < channels; ++c) {
        const double g = gammas ? static_cast<double>(gammas[c]) : 1.0;
        double* const total = totals.data() + 2 * which.at(sample, c);
        total[0] += g * static_cast<double>(s[(2 * sample) * channels + c]);
        total[1] += g * static_cast<double>(s[(2 * sample + 1) * channels + c]);
      }
    }
  }
  for (Index sample = 0; sample < chunks.samples; ++sample) {
    C *b = table.row(sample, 3), *e = table.row(sample, 4);
    for (Index c = 0; c < channels; ++c) {
      const Index at = which.at(sample, c);
      const double r = inverse_deviation(static_cast<double>(vars[at]), spec.epsilon);
      const double* const total = totals.data() + 2 * at;
      b[c] = static_cast<C>(r * total[0] / static_cast<double>(which.count));
      e[c] = static_cast<C>(r * r * total[1] / static_cast<double>(which.count));
    }
    tile(b, channels, width);
    tile(e, channels, width);
  }

  const T* const in = operands.x.as<T>();
  const T* const gradient = dy.as<T>();
  T* const out = dx.as<T>();
  with_accum(accum, [&](auto add) {
    for_chunks(chunks, [&](const Chunk& chunk) {
      const C* const m = table.row(chunk.sample, 0);
      const C* const factor = table.row(chunk.sample, 1);
      const C* const offset = table.row(chunk.sample, 2);
      const C* const b = table.row(chunk.sample, 3);
      const C* const e = table.row(chunk.sample, 4);
      const T* const values = in + chunk.begin;
      const T* const g = gradient + chunk.begin;
      T* const to = out + chunk.begin;
      for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
        for (Index l = 0; l < n; ++l) {
          const C d = values[i + l] - m[l];
          const C dz = d * factor[l] + offset[l] > C(0) ? C(g[i + l]) : slope * g[i + l];
          put<decltype(add)::value>(to[i + l], factor[l] * dz - b[l] - e[l] * d);
        }
      });
    });
  });
}

template <class T>
void sum_rows(const T* rows, Index count, Index stride, View out, Accum accum) {
  T* const to = out.as<T>();
  for (Index c = 0; c < out.shape.c; ++c) {
    double sum = 0;
    for (Index row = 0; row < count; ++row) sum += static_cast<double>(rows[row * stride + c]);
    to[c] = static_cast<T>(accum == Accum::add ? static_cast<double>(to[c]) + sum : sum);
  }
}

class RefNorm final : public NormKernels {
 public:
  explicit RefNorm(std::shared_ptr<Allocator> memory) : memory_(std::move(memory)) {}

  void norm_statistics(const NormSpec& spec, ConstView x, View mean, View var) override {
    check(spec, x, mean, var);
    with_storage("norm_statistics", x.dtype,
                 [&](auto t) { statistics<decltype(t)>(memory_, spec, x, mean, var); });
  }

  void norm_forward(const NormSpec& spec, const NormOperands& in, ConstView skip, View y) override {
    check(spec, in.x, in.mean, in.var);
    check_same("norm_forward", in.x.shape, y.shape);
    DUET_CHECK(
        !skip || (in.x.shape == skip.shape.with_batch(in.x.shape.n) && in.x.shape.n % skip.shape.n == 0),
        "norm_forward: skip ", skip.shape, " of ", in.x.shape);
    with_storage("norm_forward", in.x.dtype,
                 [&](auto t) { forward<decltype(t)>(memory_, spec, in, skip, y); });
  }

  void norm_backward_sums(const NormSpec& spec, const NormOperands& in, ConstView dy, View sums) override {
    check(spec, in.x, in.mean, in.var);
    check_same("norm_backward_sums", in.x.shape, dy.shape);
    check_same("norm_backward_sums", sums.shape, {dy.shape.n, 1, 1, 2, dy.shape.c});
    with_storage("norm_backward_sums", in.x.dtype,
                 [&](auto t) { backward_sums<decltype(t)>(memory_, spec, in, dy, sums); });
  }

  void norm_backward_parameters(ConstView sums, View dgamma, Accum gamma_accum, View dbeta,
                                Accum beta_accum) override {
    with_type("norm_backward_parameters", sums.dtype, [&](auto t) {
      const auto* const s = sums.as<decltype(t)>();
      const Index channels = sums.shape.c;
      if (dbeta) sum_rows(s, sums.shape.n, 2 * channels, dbeta, beta_accum);
      if (dgamma) sum_rows(s + channels, sums.shape.n, 2 * channels, dgamma, gamma_accum);
    });
  }

  void norm_backward_data(const NormSpec& spec, const NormOperands& in, ConstView dy, ConstView sums, View dx,
                          Accum accum) override {
    check(spec, in.x, in.mean, in.var);
    check_same("norm_backward_data", in.x.shape, dy.shape);
    check_same("norm_backward_data", in.x.shape, dx.shape);
    with_storage("norm_backward_data", in.x.dtype,
                 [&](auto t) { backward_data<decltype(t)>(memory_, spec, in, dy, sums, dx, accum); });
  }

  void norm_update_running(ConstView mean, ConstView var, Index count, double momentum, View running_mean,
                           View running_var) override {
    const double unbiased = count > 1 ? static_cast<double>(count) / static_cast<double>(count - 1) : 1.0;
    with_type("norm_update_running", mean.dtype, [&](auto t) {
      using T = decltype(t);
      auto update = [&](ConstView batch, double factor, View running) {
        const T* const values = batch.as<T>();
        T* const to = running.as<T>();
        for (Index c = 0; c < batch.shape.c; ++c) {
          double sum = 0;
          for (Index set = 0; set < batch.shape.n; ++set)
            sum += static_cast<double>(values[set * batch.shape.c + c]);
          const double average = factor * sum / static_cast<double>(batch.shape.n);
          to[c] = static_cast<T>((1.0 - momentum) * static_cast<double>(to[c]) + momentum * average);
        }
      };
      update(mean, 1.0, running_mean);
      update(var, unbiased, running_var);
    });
  }

 private:
  static void check(const NormSpec& spec, ConstView x, ConstView mean, ConstView var) {
    const Shape expected = norm_statistics_shape(spec, x.shape);
    check_same("norm", expected, mean.shape);
    check_same("norm", expected, var.shape);
  }

  std::shared_ptr<Allocator> memory_;
};

}  // namespace

std::unique_ptr<NormKernels> make_ref_norm(std::shared_ptr<Allocator> memory) {
  return std::make_unique<RefNorm>(std::move(memory));
}

}  // namespace duet
