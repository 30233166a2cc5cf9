// Dropout's mask: a pure function of key, pass, sample and element (or channel), equal bit for bit
// everywhere.
#include <cmath>
#include <doctest/doctest.h>

#include "engine/ops/pointwise.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

DropoutSpec make_spec(double p, bool channels) {
  DropoutSpec spec;
  spec.key = {77, Stream::dropout, 1, 5, 100, 0};
  spec.p = p;
  spec.channels = channels;
  return spec;
}

// What dropout makes of ones: 0 or 1 / (1 - p).
Tensor mask(Backend& backend, const DropoutSpec& spec, const Shape& x, DType dtype = DType::f32) {
  return dropout(backend, spec, Var::constant(backend.filled(x, dtype, 1.0))).value();
}

const Shape kShapes[] = {{6, 3, 5, 4, 3},  {3, 1, 7, 5, 1},  {12, 1, 1, 1, 1},
                         {12, 1, 1, 1, 2}, {3, 5, 3, 1, 17}, {6, 4, 4, 4, 16}};

}  // namespace

TEST_CASE("dropout masks are equal bit for bit on all backends and types") {
  for (const Shape& x : kShapes) {
    for (const bool channels : {false, true}) {
      for (const double p : {0.0, 0.1, 0.5, 0.97}) {
        INFO(text(x), " channels ", channels, " p ", p);
        const DropoutSpec spec = make_spec(p, channels);
        const Tensor expected = mask(ref_backend(), spec, x);
        for (const std::string& name : other_backends()) {
          CHECK(same_bytes(mask(backend_of(name), spec, x), expected));
        }
        const Tensor wide = mask(ref_backend(), spec, x, DType::f64);
        bool same = true;
        for (Index i = 0; i < x.elements(); ++i) {
          const float y = expected.data<float>()[i];
          same = same && (y == 0.0f) == (wide.data<double>()[i] == 0.0);
          same = same && (y == 0.0f || std::abs(y - 1.0 / (1.0 - p)) < 1e-5 / (1.0 - p));
        }
        CHECK(same);
        if (p == 0.0) CHECK(same_bytes(expected, ref_backend().filled(x, DType::f32, 1.0)));
      }
    }
  }
}

TEST_CASE("dropout masks do not depend on how passes and samples are folded") {
  for (const std::string& name : tested_backends()) {
    Backend& backend = backend_of(name);
    for (const Shape& x : kShapes) {
      for (const bool channels : {false, true}) {
        INFO(name, " ", text(x), " channels ", channels);
        const Index batch = x.n / 3;
        DropoutSpec folded = make_spec(0.5, channels);
        folded.batch = batch;
        const Tensor whole = mask(backend, folded, x);
        for (Index pass = 0; pass < 3; ++pass) {
          DropoutSpec alone = make_spec(0.5, channels);
          alone.key.pass = static_cast<std::uint32_t>(pass);
          const Tensor one = mask(backend, alone, x.with_batch(batch));
          CHECK(to_values(one) == to_values(whole.samples(pass * batch, (pass + 1) * batch)));
          for (Index sample = 0; sample < batch; ++sample) {  // each sample alone, at its place
            alone.first_sample = sample;
            CHECK(to_values(mask(backend, alone, x.with_batch(1))) ==
                  to_values(one.samples(sample, sample + 1)));
          }
        }
        // Two of the passes from the second on.
        DropoutSpec later = folded;
        later.key.pass = 1;
        CHECK(to_values(mask(backend, later, x.with_batch(2 * batch))) ==
              to_values(whole.samples(batch, x.n)));
      }
    }
  }
}

TEST_CASE("dropout draws anew for each key, and drops about p") {
  const Shape x{8, 4, 8, 8, 16};
  for (const bool channels : {false, true}) {
    const DropoutSpec spec = make_spec(0.3, channels);
    const Tensor base = mask(ref_backend(), spec, x);
    for (int field = 0; field < 5; ++field) {
      DropoutSpec other = spec;
      if (field == 0) other.key.seed += 1;
      if (field == 1) other.key.network += 1;
      if (field == 2) other.key.layer += 1;
      if (field == 3) other.key.step += 1;
      if (field == 4) other.key.pass += 1;
      CHECK(!same_bytes(mask(ref_backend(), other, x), base));
    }
    double dropped = 0;
    for (const double y : to_values(base)) dropped += y == 0.0;
    const double draws = static_cast<double>(channels ? x.n * x.c : x.elements());
    const double deviation = std::sqrt(0.3 * 0.7 / draws);
    CHECK(std::abs(dropped / static_cast<double>(x.elements()) - 0.3) < 4 * deviation);
    if (channels) {  // a channel of a sample is dropped as one
      const float* y = base.data<float>();
      bool whole = true;
      for (Index i = 0; i < x.elements(); ++i) {
        const Index sample = i / (x.voxels() * x.c);
        whole = whole && y[i] == y[sample * x.voxels() * x.c + i % x.c];
      }
      CHECK(whole);
    }
  }
}

TEST_CASE("dropout's backward has the mask of its forward") {
  for (const std::string& name : tested_backends()) {
    Backend& backend = backend_of(name);
    for (const bool channels : {false, true}) {
      const DropoutSpec spec = make_spec(0.5, channels);
      const Shape x{2, 3, 5, 4, 6};
      const ParameterPtr leaf = make_parameter("x", backend.filled(x, DType::f32, 1.0));
      const Var y = dropout(backend, spec, Var::parameter(leaf));
      const Var ones = Var::constant(backend.filled(x, DType::f32, 1.0));
      const Var dot = multiply(backend, y, ones);
      backward(backend, std::vector<LossTerm>{{probe(backend, dot)}});
      bool same = true;
      const std::vector<double> gradient = to_values(leaf->gradient), value = to_values(y.value());
      for (std::size_t i = 0; i < value.size(); ++i) {
        same = same && (gradient[i] == 0.0) == (value[i] == 0.0);
      }
      CHECK(same);
    }
  }
}

}  // namespace duet::testing
