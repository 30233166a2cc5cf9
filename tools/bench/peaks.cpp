#include "tools/bench/peaks.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "engine/core/parallel.h"

namespace duet::bench {
namespace {

constexpr int kTrials = 5;

// Between marks of whatever does the work.
template <class Body>
double fastest_seconds(const Body& body, const std::function<Mark()>& mark = host_mark,
                       const std::function<double(const Mark&, const Mark&)>& seconds = host_seconds) {
  double best = 1e9;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Mark from = mark();
    body();
    best = std::min(best, seconds(from, mark()));
  }
  return best;
}

// A register; GCC takes longer vectors apart through memory.
#ifdef __AVX512F__
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif
using Lanes [[gnu::vector_size(4 * kLanes)]] = float;

// `Chains` independent chains of fused multiply-adds, held in registers; what they come to keeps the loop.
template <int Chains>
float multiply_adds(Index rounds) {
  Lanes chain[Chains];
  for (int i = 0; i < Chains; ++i) chain[i] = Lanes{} + static_cast<float>(i);
  Lanes factor = Lanes{} + 0.999F, summand = Lanes{} + 0.001F;
  for (Index round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < Chains; ++i) chain[i] = chain[i] * factor + summand;
  }
  float sum = 0;
  for (int i = 0; i < Chains; ++i) sum += chain[i][0];
  return sum;
}

template <int Chains>
double gflops() {
  constexpr Index kRounds = 4'000'000;
  const Index threads = max_threads();
  std::vector<float> results(static_cast<std::size_t>(threads));
  const double seconds = fastest_seconds([&] {
    parallel_for(threads,
                 [&](Index t) { results[static_cast<std::size_t>(t)] = multiply_adds<Chains>(kRounds); });
  });
  const volatile float keep = results[0];
  static_cast<void>(keep);
  return 2.0 * kLanes * Chains * static_cast<double>(kRounds) * static_cast<double>(threads) / seconds * 1e-9;
}

double copy_gbs() {
  constexpr std::size_t kBytes = std::size_t{1} << 28;
  std::vector<char> from(kBytes, 1), to(kBytes, 2);
  const Index threads = max_threads();
  const Index grain = (static_cast<Index>(kBytes) + threads - 1) / threads;
  const double seconds = fastest_seconds([&] {
    parallel_chunks(static_cast<Index>(kBytes), grain, [&](Index begin, Index end) {
      std::memcpy(to.data() + begin, from.data() + begin, static_cast<std::size_t>(end - begin));
    });
  });
  return 2.0 * static_cast<double>(kBytes) / seconds * 1e-9;
}

// Of another device than the host, by its own kernels and between its own marks.
MachinePeaks device_peaks(Backend& b, DType type) {
  constexpr Index kSide = 4096, kCopied = Index{1} << 27;  // elements of f32
  const auto seconds = [&](const auto& body) { return fastest_seconds(body, b.mark, b.seconds); };
  MachinePeaks peaks;
  {
    const Tensor from = b.filled(Shape::vector(kCopied), DType::f32, 1);
    const Tensor to = b.filled(Shape::vector(kCopied), DType::f32, 2);
    const double took = seconds([&] { b.pointwise->scale(from.cview(), 1.0, to.view(), Accum::write); });
    peaks.gbs = 2.0 * static_cast<double>(from.bytes()) / took * 1e-9;
  }
  const Tensor x = b.filled({1, 1, 1, kSide, kSide}, type, 0.5), y = b.filled(x.shape(), type, 0);
  const Tensor w = b.filled({kSide, 1, 1, 1, kSide}, master_type(type), 0.25);
  w.mark_changed();  // has a version, so that it is packed once
  const double took =
      seconds([&] { b.convolution->pointwise_conv_forward(x.cview(), {}, w.cview(), {}, y.view()); });
  peaks.gflops = 2e-9 * kSide * kSide * kSide / took;
  peaks.products = type == DType::bf16 ? "products of bf16 matrices" : "products of f32 matrices";
  return peaks;
}

}  // namespace

// The fewest chains that hide the latency, or more: the better of both.
double multiply_add_gflops() { return std::max(gflops<6>(), gflops<12>()); }

MachinePeaks measure_peaks(Backend& backend, DType type) {
  if (!backend.memory->on_host()) return device_peaks(backend, type);
  return {multiply_add_gflops(), copy_gbs()};
}

}  // namespace duet::bench
