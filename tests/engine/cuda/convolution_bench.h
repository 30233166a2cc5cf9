// For tests of the CUDA room's convolutions on the host: a driver whose library may lack something, the room
// on it beside ref, and tensors with the same values on both.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "engine/backend/cuda/cuda.h"
#include "engine/backend/ref/ref.h"
#include "engine/core/philox.h"
#include "tests/engine/cuda/host_driver.h"

namespace duet::testing {

enum class Library { all, bf16_gradients, none };  // what it has; bf16_gradients: no f32 dw of bf16 x

// The host driver behind a library that may lack something; records what it was asked for.
class PickyDriver final : public cuda::Driver {
 public:
  explicit PickyDriver(Library has) : has(has) {}
  HostDriver host;
  Library has;
  std::vector<cuda::ConvCall> asked;

  void* allocate(std::size_t bytes) override { return host.allocate(bytes); }
  void release(void* pointer) override { host.release(pointer); }
  void upload(void* to, const void* from, std::size_t bytes) override { host.upload(to, from, bytes); }
  void download(void* to, const void* from, std::size_t bytes) override { host.download(to, from, bytes); }
  void upload_beside(void* to, const void* from, std::size_t bytes) override {
    host.upload_beside(to, from, bytes);
  }
  void await_uploads() override { host.await_uploads(); }
  void* allocate_staging(std::size_t bytes) override { return host.allocate_staging(bytes); }
  void release_staging(void* pointer) override { host.release_staging(pointer); }
  void set_bytes(void* to, int value, std::size_t bytes) override { host.set_bytes(to, value, bytes); }
  void synchronize() override {}
  Mark mark() override { return host.mark(); }
  double seconds(const Mark& from, const Mark& to) override { return host.seconds(from, to); }
  bool on_host() const override { return true; }
  std::size_t shared_bytes() const override { return host.shared_bytes(); }
  void launch(const cuda::Launch& l, const void* k, cuda::Arguments a) override { host.launch(l, k, a); }
  std::size_t workspace(const cuda::GemmCall& call) const override { return host.workspace(call); }
  void gemm(const cuda::GemmCall& call, void* workspace) override { host.gemm(call, workspace); }
  bool is_chosen(const cuda::ConvCall& call) const override { return host.is_chosen(call); }
  cuda::ConvChoice choose(const cuda::ConvCall& call, const cuda::Memory& memory) override {
    asked.push_back(call);
    return takes(call) ? host.choose(call, memory) : cuda::ConvChoice();
  }
  void convolve(const cuda::ConvCall& call, const cuda::ConvChoice& choice, void* workspace) override {
    host.convolve(call, choice, workspace);
  }
  std::string convolution_name(const cuda::ConvCall& call, const cuda::Memory& memory) override {
    return takes(call) && !host.convolution_name(call, memory).empty() ? "library" : "";
  }
  bool is_doubtful(const cuda::ConvCall& call, const cuda::Memory& memory) override {
    return takes(call) && host.is_doubtful(call, memory);
  }
  bool deterministic() const override { return host.deterministic(); }
  void judge(const cuda::ConvCall& call, bool right) override { host.judge(call, right); }
  PlanCounters plan_counters() const override { return host.plan_counters(); }
  std::unique_ptr<cuda::Recording> record(const std::vector<cuda::Work>& works) override {
    return host.record(works);
  }

 private:
  bool takes(const cuda::ConvCall& c) const {
    if (has != Library::bf16_gradients) return has == Library::all;
    return c.pass != ConvPass::weights || c.weights == c.activations;
  }
};

// A tensor of the room beside the same values in double for ref.
struct Pair {
  Tensor value, exact;
  Pair samples(Index begin, Index end) const {
    return value ? Pair{value.samples(begin, end), exact.samples(begin, end)} : Pair{};
  }
};

class Bench {
 public:
  explicit Bench(Library has = Library::all)
      : driver(std::make_shared<PickyDriver>(has)),
        room(cuda::make_backend(driver)),
        ref(make_ref_backend()) {
    room->memory->set_poison(true);
  }
  std::shared_ptr<PickyDriver> driver;
  std::unique_ptr<Backend> room, ref;

  ConvolutionKernels& conv() const { return *room->convolution; }
  ConvolutionKernels& exact() const { return *ref->convolution; }
  Calls& calls() const { return driver->host.calls; }
  void forget() const {
    calls() = {};
    driver->asked.clear();
  }
  std::size_t launches(const std::string& name) const {
    std::size_t count = 0;
    for (const cuda::Launch& launch : calls().launches) count += launch.name == name;
    return count;
  }

  Pair random(const Shape& shape, DType type) {
    const PhiloxKey key{.seed = 5, .stream = Stream::test, .layer = ++draws_};
    std::vector<double> values(static_cast<std::size_t>(shape.elements()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = 2 * static_cast<double>(draw_uniform(key, 0, i)) - 1;
    }
    const Tensor value = from_values(room->memory, shape, type, values);
    return {value, from_values(ref->memory, shape, DType::f64, to_values(value))};
  }
  // What is written over is NaN; what is added onto is random.
  Pair target(const Shape& shape, DType type, Accum accum) {
    if (accum == Accum::add) return random(shape, type);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    return {room->filled(shape, type, nan), ref->filled(shape, DType::f64, nan)};
  }

 private:
  std::uint32_t draws_ = 0;
};

// Largest difference over the largest value; infinite where a value is none.
inline double difference(const Pair& pair) {
  const std::vector<double> got = to_values(pair.value), expected = to_values(pair.exact);
  double worst = 0, largest = 1e-30;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!std::isfinite(got[i])) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, std::abs(got[i] - expected[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  return worst / largest;
}

// bf16 rounds weights and results.
inline double bound_of(DType type) { return type == DType::bf16 ? 1e-2 : type == DType::f32 ? 1e-5 : 1e-12; }

inline constexpr Tensor Pair::*kSides[] = {&Pair::value, &Pair::exact};

inline const Conv3dSpec kSame{}, kDown{{2, 2, 2}, {2, 2, 2}, {0, 0, 0}},
    kPoint{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};

// Of a convolution (n outputs, c inputs) or of a transposed one (n inputs, c outputs).
inline Shape weights_of(const Conv3dSpec& spec, Index n, Index c) {
  return {n, spec.kernel[0], spec.kernel[1], spec.kernel[2], c};
}

}  // namespace duet::testing
