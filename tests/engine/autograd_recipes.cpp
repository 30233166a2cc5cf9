// Values that are made again instead of kept: what is held between forward and backward, when a value is
// made, and how often.
#include <doctest/doctest.h>

#include "engine/ops/conv.h"
#include "engine/ops/loss.h"
#include "engine/ops/norm.h"
#include "engine/ops/pointwise.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

constexpr Conv3dSpec kPoint{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};

// Counts the forward passes of a norm.
class CountingNorm final : public NormKernels {
 public:
  explicit CountingNorm(std::unique_ptr<NormKernels> inner) : inner_(std::move(inner)) {}
  int forwards = 0;

  void norm_statistics(const NormSpec& spec, ConstView x, View mean, View var) override {
    inner_->norm_statistics(spec, x, mean, var);
  }
  void norm_forward(const NormSpec& spec, const NormOperands& in, ConstView skip, View y) override {
    ++forwards;
    inner_->norm_forward(spec, in, skip, y);
  }
  void norm_backward_sums(const NormSpec& spec, const NormOperands& in, ConstView dy, View sums) override {
    inner_->norm_backward_sums(spec, in, dy, sums);
  }
  void norm_backward_parameters(ConstView sums, View dgamma, Accum gamma_accum, View dbeta,
                                Accum beta_accum) override {
    inner_->norm_backward_parameters(sums, dgamma, gamma_accum, dbeta, beta_accum);
  }
  void norm_backward_data(const NormSpec& spec, const NormOperands& in, ConstView dy, ConstView sums, View dx,
                          Accum accum) override {
    inner_->norm_backward_data(spec, in, dy, sums, dx, accum);
  }
  void norm_update_running(ConstView mean, ConstView var, Index count, double momentum, View running_mean,
                           View running_var) override {
    inner_->norm_update_running(mean, var, count, momentum, running_mean, running_var);
  }

 private:
  std::unique_ptr<NormKernels> inner_;
};

struct Counted {
  std::unique_ptr<Backend> backend;
  CountingNorm* norm;
};

Counted counted(const std::string& name) {
  Counted made{make_tested(name), nullptr};
  made.backend->memory->set_poison(true);
  auto norm = std::make_unique<CountingNorm>(std::move(made.backend->norm));
  made.norm = norm.get();
  made.backend->norm = std::move(norm);
  return made;
}

// Weights of `count` units of x's channels, and the units: instance_norm and ReLU after a 1x1x1 convolution.
struct Units {
  std::vector<ParameterPtr> weights, gammas, betas;
  DType type;
};

Tensor normal(Backend& b, const Shape& shape, DType type, std::uint32_t id, double deviation = 1.0) {
  const PhiloxKey key{.seed = 5, .stream = Stream::test, .layer = id};
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = deviation * draw_normal(key, 0, i);
  return from_values(b.memory, shape, type, values);
}

Units make_units(Backend& b, Index channels, DType type, int count) {
  Units units{{}, {}, {}, type};
  const DType master = master_type(type);
  for (int i = 0; i < count; ++i) {
    const auto id = static_cast<std::uint32_t>(i);
    units.weights.push_back(make_parameter("w", normal(b, {channels, 1, 1, 1, channels}, master, id, 0.3)));
    units.gammas.push_back(make_parameter("gamma", b.filled(Shape::vector(channels), master, 1.0)));
    units.betas.push_back(make_parameter("beta", normal(b, Shape::vector(channels), master, id + 500, 0.1)));
  }
  return units;
}

Var run_unit(Backend& b, const Units& units, int i, const Var& x, const Var& skip) {
  const auto at = static_cast<std::size_t>(i);
  return norm(b, {NormKind::instance}, NormMode::batch,
              conv3d(b, kPoint, x, Var::parameter(units.weights[at])), Var::parameter(units.gammas[at]),
              Var::parameter(units.betas[at]), nullptr, {0.0, skip});
}

// A chain of units, each with what was before as its skip, or without.
Var run_chain(Backend& b, const Units& units, const Var& x, bool skips) {
  Var y = x;
  for (int i = 0; i < static_cast<int>(units.weights.size()); ++i)
    y = run_unit(b, units, i, y, skips ? y : Var{});
  return y;
}

std::vector<DType> types_of(const Backend& b) {
  if (b.name != "ref" && !b.fast_bf16) return {DType::f32};
  return {DType::f32, DType::bf16};
}

}  // namespace

// What a chain of `count` units holds at most beside its weights and input, in forward and in backward.
struct ChainMemory {
  std::size_t kept = 0, forward = 0, backward = 0;  // bytes
};

ChainMemory memory_of_chain(Backend& b, DType type, const Tensor& x, int count) {
  const Units units = make_units(b, 16, type, count);
  const std::size_t before = b.memory->counters().live_bytes;
  b.memory->reset_peak();
  Var y = run_chain(b, units, Var::constant(x), false);
  ChainMemory memory;
  memory.kept = b.memory->counters().live_bytes - before;
  memory.forward = b.memory->counters().peak_bytes - before;
  const Var loss = reduce_mean(b, {}, convert(b, y, DType::f32));
  y = {};
  memory.backward = backward(b, std::vector<LossTerm>{{loss}}).peak_bytes - before;
  return memory;
}

TEST_CASE("a unit of convolution, norm and ReLU keeps one tensor, not two") {
  constexpr std::size_t kFew = 2, kMany = 8;
  for (const std::string& name : tested_backends()) {
    Backend& b = backend_of(name);
    for (const DType type : types_of(b)) {
      INFO(text(name, ' ', name_of(type)));
      const Tensor x = normal(b, {2, 16, 16, 16, 16}, type, 99);
      const std::size_t one = x.bytes(), more = (kMany - kFew) * one;
      memory_of_chain(b, type, x, kFew);  // makes plans, whose search takes memory of its own
      const ChainMemory few = memory_of_chain(b, type, x, kFew), many = memory_of_chain(b, type, x, kMany);
      CHECK(many.kept >= kMany * one);
      CHECK(many.kept <= (kMany + 1) * one + one / 4);  // convolutions, the last output, statistics
      // Whatever is in flight, scratch of libraries too, does not grow with the chain.
      CHECK(many.forward - few.forward <= more + one / 4);
      CHECK(many.backward - few.backward <= more + one / 4);
      if (name != "ref" || type != DType::f32) continue;  // the reference has none of that
      CHECK(many.forward <= (kMany + 2) * one + one / 4);
      CHECK(many.backward <= (kMany + 4) * one + one / 4);  // f32 gradients, the input made again, dx
    }
  }
}

TEST_CASE("a saved value is shared while somebody holds it, else made once and shared again") {
  Backend& b = ref_backend();
  const Tensor source = normal(b, {1, 2, 3, 4, 5}, DType::f32, 1);
  int made = 0;
  auto make = [&] {
    ++made;
    Tensor copy = b.empty(source.shape(), source.dtype());
    b.pointwise->scale(source.cview(), 1.0, copy.view(), Accum::write);
    return copy;
  };
  Var y = Var::constant(make()).with_recipe(make, 1);
  CHECK(made == 1);
  const Saved saved = y.saved(), other = y.saved();
  CHECK(static_cast<bool>(saved));
  CHECK(saved.get().cview().data == y.value().cview().data);
  CHECK(made == 1);
  y = {};
  {
    const Tensor first = saved.get();
    CHECK(made == 2);
    CHECK(other.get().cview().data == first.cview().data);
    CHECK(same_bytes(first, source));
    CHECK(made == 2);
  }
  CHECK(same_bytes(saved.get(), source));
  CHECK(made == 3);
  const Saved plain = Var::constant(source).saved();  // no recipe: kept
  CHECK(plain.get().cview().data == source.cview().data);
  CHECK(!static_cast<bool>(Saved()));
}

TEST_CASE("a norm's value is made again bit for bit, through its skips, too") {
  for (const std::string& name : tested_backends()) {
    Backend& b = backend_of(name);
    for (const DType type : types_of(b)) {
      INFO(text(name, ' ', name_of(type)));
      const Units units = make_units(b, 16, type, 4);
      Var y = Var::constant(normal(b, {2, 5, 7, 6, 16}, type, 99));
      std::vector<Saved> saved;
      std::vector<Tensor> copies;
      for (int i = 0; i < 4; ++i) {
        y = run_unit(b, units, i, y, y);
        REQUIRE(y.recipe());
        CHECK(y.recipe()->depth <= 4);
        saved.push_back(y.saved());
        copies.push_back(from_values(b.memory, y.shape(), type, to_values(y.value())));
      }
      y = {};
      for (std::size_t i = 0; i < saved.size(); ++i) CHECK(same_bytes(saved[i].get(), copies[i]));
    }
  }
}

TEST_CASE("a chain of skips runs each norm a few times, however long it is") {
  for (const std::string& name : tested_backends()) {
    INFO(name);
    for (const int length : {6, 24}) {
      const Counted made = counted(name);
      Backend& b = *made.backend;
      const Units units = make_units(b, 4, DType::f32, length);
      const ParameterPtr x = make_parameter("x", normal(b, {2, 3, 4, 5, 4}, DType::f32, 99));
      Var y = run_chain(b, units, Var::parameter(x), true);
      CHECK(made.norm->forwards == length);
      const Var loss = reduce_mean(b, {}, multiply(b, y, y));
      y = {};
      backward(b, std::vector<LossTerm>{{loss}});
      CHECK(made.norm->forwards <= 4 * length);
      CHECK(made.norm->forwards > length);  // made again, not kept
    }
  }
}

TEST_CASE("gradients through values made again are those through values kept, bit for bit") {
  Backend& b = ref_backend();
  for (const bool skips : {false, true}) {
    std::vector<std::vector<Tensor>> gradients;
    for (const bool keeps : {false, true}) {
      const Units units = make_units(b, 4, DType::f32, 5);
      const ParameterPtr x = make_parameter("x", normal(b, {2, 3, 4, 5, 4}, DType::f32, 99));
      std::vector<Var> held;  // all outputs of units
      Var y = Var::parameter(x);
      for (int i = 0; i < 5; ++i) {
        y = run_unit(b, units, i, y, skips ? y : Var{});
        if (keeps) held.push_back(y);
      }
      const Var loss = reduce_mean(b, {}, multiply(b, y, y));
      y = {};
      backward(b, std::vector<LossTerm>{{loss}});
      gradients.push_back({x->gradient});
      for (const auto* list : {&units.weights, &units.gammas, &units.betas}) {
        for (const ParameterPtr& p : *list) gradients.back().push_back(p->gradient);
      }
    }
    for (std::size_t i = 0; i < gradients[0].size(); ++i) CHECK(same_bytes(gradients[0][i], gradients[1][i]));
  }
}

}  // namespace duet::testing
