#include <cmath>

#include "engine/backend/ref/chunks.h"
#include "engine/backend/ref/dispatch.h"
#include "engine/backend/ref/ref.h"
#include "engine/backend/ref/scratch.h"

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
    for (Index c = 0; c < channels; ++c) shift[c] = static_cast<double>(values[c]);
    tile(shift, channels, width);
    for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
      for (Index l = 0; l < n; ++l) {
        const double d = static_cast<double>(values[i + l]) - shift[l];
        sum[l] += d;
        square[l] += d * d;
      }
    });
    fold(sum, channels, width);
    fold(square, channels, width);
    const double rows = static_cast<double>(chunk.count / channels);
    for (Index c = 0; c < channels; ++c) {
      square[c] = std::max(0.0, square[c] - sum[c] * sum[c] / rows);
      sum[c] = shift[c] + sum[c] / rows;
    }
  });

  T* const means = mean.as<T>();
  T* const vars = var.as<T>();
  parallel_for(which.sets * which.groups, [&](Index at) {
    const Index set = at / which.groups, group = at - set * which.groups;
    const Index first_task = set * which.samples_of_set * chunks.per_sample;
    Moments all;
    for (Index task = first_task; task < first_task + which.samples_of_set * chunks.per_sample; ++task) {
      const double* const partial = scratch.data() + task * 3 * width;
      const double rows = static_cast<double>(chunks.at(task).count / channels);
      for (Index c = group * which.channels_of_group; c < (group + 1) * which.channels_of_group; ++c) {
        all.merge({rows, partial[c], partial[width + c]});
      }
    }
    means[at] = static_cast<T>(all.mean);
    vars[at] = static_cast<T>(all.m2 / all.count);
  });
}

template <class T>
void forward(const std::shared_ptr<Allocator>& memory, const NormSpec& spec, ConstView x, ConstView mean,
             ConstView var, ConstView gamma, ConstView beta, View y) {
  const Statistics which(spec, x.shape);
  const Chunks chunks(x.shape);
  const Index channels = chunks.channels, width = lane_width(channels);
  const T* const means = mean.as<T>();
  const T* const vars = var.as<T>();
  const T* const gammas = gamma ? gamma.as<T>() : nullptr;
  const T* const betas = beta ? beta.as<T>() : nullptr;

  // For each sample and lane: y = (x - mean) * factor + offset.
  const Scratch<T> table(memory, chunks.samples * 3 * width, "norm_forward");
  for (Index sample = 0; sample < chunks.samples; ++sample) {
    T* const m = table.data() + sample * 3 * width;
    for (Index c = 0; c < channels; ++c) {
      const Index at = which.at(sample, c);
      m[c] = means[at];
      m[width + c] = static_cast<T>((gammas ? gammas[c] : 1.0) *
                                    inverse_deviation(static_cast<double>(vars[at]), spec.epsilon));
      m[2 * width + c] = betas ? betas[c] : T(0);
    }
    for (int row = 0; row < 3; ++row) tile(m + row * width, channels, width);
  }

  const T* const in = x.as<T>();
  T* const out = y.as<T>();
  for_chunks(chunks, [&](const Chunk& chunk) {
    const T* const m = table.data() + chunk.sample * 3 * width;
    const T* const factor = m + width;
    const T* const offset = factor + width;
    const T* const from = in + chunk.begin;
    T* const to = out + chunk.begin;
    for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
      for (Index l = 0; l < n; ++l) to[i + l] = (from[i + l] - m[l]) * factor[l] + offset[l];
    });
  });
}

template <class T>
void backward_sums(const std::shared_ptr<Allocator>& memory, const NormSpec& spec, ConstView x, ConstView dy,
                   ConstView mean, ConstView var, View sums) {
  const Statistics which(spec, x.shape);
  const Chunks chunks(x.shape);
  const Index channels = chunks.channels, width = lane_width(channels);
  const T* const means = mean.as<T>();
  const T* const vars = var.as<T>();
  const T* const in = x.as<T>();
  const T* const gradient = dy.as<T>();
  const Scratch<double> scratch(memory, chunks.tasks() * 3 * width, "norm_backward_sums");

  // For each chunk and channel: sums of dy and of dy (x - mean).
  for_chunks(chunks, [&](const Chunk& chunk) {
    const T* const values = in + chunk.begin;
    const T* const g = gradient + chunk.begin;
    double* const sum = scratch.data() + chunk.task * 3 * width;
    double* const product = sum + width;
    double* const m = product + width;
    std::fill(sum, sum + 2 * width, 0.0);
    for (Index c = 0; c < channels; ++c) m[c] = static_cast<double>(means[which.at(chunk.sample, c)]);
    tile(m, channels, width);
    for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
      for (Index l = 0; l < n; ++l) {
        const double d = static_cast<double>(g[i + l]);
        sum[l] += d;
        product[l] += d * (static_cast<double>(values[i + l]) - m[l]);
      }
    });
    fold(sum, channels, width);
    fold(product, channels, width);
  });

  T* const out = sums.as<T>();
  parallel_for(chunks.samples, [&](Index sample) {
    for (Index c = 0; c < channels; ++c) {
      double sum = 0, product = 0;
      for (Index k = 0; k < chunks.per_sample; ++k) {
        const double* const partial = scratch.data() + (sample * chunks.per_sample + k) * 3 * width;
        sum += partial[c];
        product += partial[width + c];
      }
      const double r = inverse_deviation(static_cast<double>(vars[which.at(sample, c)]), spec.epsilon);
      out[(2 * sample) * channels + c] = static_cast<T>(sum);
      out[(2 * sample + 1) * channels + c] = static_cast<T>(product * r);
    }
  });
}

// With M values of one mean, xhat = (x - mean) r, r = 1 / sqrt(var + eps), and sums over the values of one
// mean:
//   dx = r (gamma dy - sum(gamma dy) / M - xhat sum(gamma dy xhat) / M)      (both sums 0 where statistics
//   are fixed)
//      = a dy - b - e (x - mean)
template <class T>
void backward_data(const std::shared_ptr<Allocator>& memory, const NormSpec& spec, ConstView x, ConstView dy,
                   ConstView mean, ConstView var, ConstView gamma, ConstView sums, View dx, Accum accum) {
  const Statistics which(spec, x.shape);
  const Chunks chunks(x.shape);
  const Index channels = chunks.channels, width = lane_width(channels);
  const T* const means = mean.as<T>();
  const T* const vars = var.as<T>();
  const T* const gammas = gamma ? gamma.as<T>() : nullptr;

  const Index statistics = which.sets * which.groups;
  const Scratch<double> totals(memory, 2 * statistics, "norm_backward_data");
  std::fill(totals.data(), totals.data() + 2 * statistics, 0.0);
  if (!spec.fixed_statistics) {
    const T* const s = sums.as<T>();
    for (Index sample = 0; sample < chunks.samples; ++sample) {
      for (Index c = 0; c < channels; ++c) {
        const double g = gammas ? static_cast<double>(gammas[c]) : 1.0;
        double* const total = totals.data() + 2 * which.at(sample, c);
        total[0] += g * static_cast<double>(s[(2 * sample) * channels + c]);
        total[1] += g * static_cast<double>(s[(2 * sample + 1) * channels + c]);
      }
    }
  }

  const Scratch<T> table(memory, chunks.samples * 4 * width, "norm_backward_data");
  for (Index sample = 0; sample < chunks.samples; ++sample) {
    T* const m = table.data() + sample * 4 * width;
    for (Index c = 0; c < channels; ++c) {
      const Index at = which.at(sample, c);
      const double r = inverse_deviation(static_cast<double>(vars[at]), spec.epsilon);
      const double* const total = totals.data() + 2 * at;
      m[c] = means[at];
      m[width + c] = static_cast<T>(r * (gammas ? static_cast<double>(gammas[c]) : 1.0));
      m[2 * width + c] = static_cast<T>(r * total[0] / static_cast<double>(which.count));
      m[3 * width + c] = static_cast<T>(r * r * total[1] / static_cast<double>(which.count));
    }
    for (int row = 0; row < 4; ++row) tile(m + row * width, channels, width);
  }

  const T* const in = x.as<T>();
  const T* const gradient = dy.as<T>();
  T* const out = dx.as<T>();
  with_accum(accum, [&](auto add) {
    for_chunks(chunks, [&](const Chunk& chunk) {
      const T* const m = table.data() + chunk.sample * 4 * width;
      const T* const a = m + width;
      const T* const b = a + width;
      const T* const e = b + width;
      const T* const values = in + chunk.begin;
      const T* const g = gradient + chunk.begin;
      T* const to = out + chunk.begin;
      for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
        for (Index l = 0; l < n; ++l) {
          put<decltype(add)::value>(to[i + l], a[l] * g[i + l] - b[l] - e[l] * (values[i + l] - m[l]));
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
    with_type("norm_statistics", x.dtype,
              [&](auto t) { statistics<decltype(t)>(memory_, spec, x, mean, var); });
  }

  void norm_forward(const NormSpec& spec, ConstView x, ConstView mean, ConstView var, ConstView gamma,
                    ConstView beta, View y) override {
    check(spec, x, mean, var);
    check_same("norm_forward", x.shape, y.shape);
    with_type("norm_forward", x.dtype,
              [&](auto t) { forward<decltype(t)>(memory_, spec, x, mean, var, gamma, beta, y); });
  }

  void norm_backward_sums(const NormSpec& spec, ConstView x, ConstView dy, ConstView mean, ConstView var,
                          View sums) override {
    check(spec, x, mean, var);
    check_same("norm_backward_sums", x.shape, dy.shape);
    check_same("norm_backward_sums", sums.shape, {x.shape.n, 1, 1, 2, x.shape.c});
    with_type("norm_backward_sums", x.dtype,
              [&](auto t) { backward_sums<decltype(t)>(memory_, spec, x, dy, mean, var, sums); });
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

  void norm_backward_data(const NormSpec& spec, ConstView x, ConstView dy, ConstView mean, ConstView var,
                          ConstView gamma, ConstView sums, View dx, Accum accum) override {
    check(spec, x, mean, var);
    check_same("norm_backward_data", x.shape, dy.shape);
    check_same("norm_backward_data", x.shape, dx.shape);
    with_type("norm_backward_data", x.dtype, [&](auto t) {
      backward_data<decltype(t)>(memory_, spec, x, dy, mean, var, gamma, sums, dx, accum);
    });
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
