// CutMix: which boxes are drawn, what is replaced, and each method's unlabelled term by its definition on
// mixed samples. Without dropout and noise a network says one thing, so that all is worked out from
// probabilities.
#include "cotrain/method/cutmix.h"

#include "engine/autograd/node.h"
#include "nn/ema.h"
#include "tests/cotrain/small_step.h"

using namespace duet;
using namespace duet::testing;

namespace {

RunConfig mixing_config(const std::string& method) {
  RunConfig config = small_config(method);
  config.training.unlabelled_batch = 3;
  config.model.dropout_p = 0;
  config.method.noise = 0;
  config.method.cutmix = 1;
  return config;
}

Index unlabelled_of(const SmallStep& s) { return s.batch.image.shape().n - s.batch.labelled; }

bool holds(const CutMix::Box& box, Index d, Index h, Index w) {
  const Index at[3] = {d, h, w};
  const Triple extent = box.extent.spatial();
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const Index from = box.corner[axis + 1];
    if (at[axis] < from || at[axis] >= from + extent[axis]) return false;
  }
  return true;
}

// Values (N,D,H,W,C) of the unlabelled samples with each box taken from the next sample.
Values mixed_by_hand(const CutMix& mix, const Shape& shape, const Values& of) {
  Values out = of;
  const auto row = static_cast<std::size_t>(shape.c);
  for (const CutMix::Box& box : mix.boxes) {
    for (Index d = 0; d < shape.d; ++d) {
      for (Index h = 0; h < shape.h; ++h) {
        for (Index w = 0; w < shape.w; ++w) {
          if (!holds(box, d, h, w)) continue;
          auto at = [&](Index n) {
            return static_cast<std::size_t>(((n * shape.d + d) * shape.h + h) * shape.w + w) * row;
          };
          for (std::size_t c = 0; c < row; ++c) out[at(box.to) + c] = of[at((box.to + 1) % shape.n) + c];
        }
      }
    }
  }
  return out;
}

// What a network says of the unlabelled samples of a batch.
Values said(const SmallStep& s, Network& network, const Batch& batch) {
  const NoGrad no_grad;
  const Tensor logits = network.forward(training_context(s.step(), 0), Var::constant(batch.image)).value();
  return softmax_of(logits.samples(batch.labelled, logits.shape().n));
}

double entropy(const double* p) {
  double sum = 0;
  for (std::size_t c = 0; c < kClasses; ++c) sum -= p[c] * std::log(p[c]);
  return sum / std::log(static_cast<double>(kClasses));
}

// Cross-entropy of p to q's classes (or, squared, their difference, mean over classes), each voxel weighted
// by weight(U of q) and valid, over `by_weights` or the valid voxels.
template <class Weight>
double term_by_hand(const Values& p, const Values& q, const Values& valid, bool squared, bool by_weights,
                    const Weight& weight) {
  double sum = 0, count = 0;
  for (std::size_t v = 0; v < valid.size(); ++v) {
    const double *one = &p[kClasses * v], *two = &q[kClasses * v], w = valid[v] * weight(entropy(two));
    double loss = 0;
    for (std::size_t c = 0; c < kClasses; ++c)
      loss += (one[c] - two[c]) * (one[c] - two[c]) / static_cast<double>(kClasses);
    if (!squared) loss = -std::log(one[std::max_element(two, two + kClasses) - two]);
    sum += w * loss;
    count += by_weights ? w : valid[v];
  }
  return sum / count;
}

struct Mixed {
  SmallStep s;
  CutMix mix;
  Batch batch;  // mixed
  Values valid;
  explicit Mixed(const RunConfig& config) : s(config) {
    for (std::size_t i = 0; i < s.state.teachers.size(); ++i) {  // teachers that are not their networks
      const auto other =
          make_network(*s.backend, s.state.networks[0]->config(), 77, static_cast<std::uint32_t>(i));
      copy_state(*s.backend, *other, *s.state.teachers[i]);
    }
    mix = draw_cutmix(s.step(), s.config.method);
    batch = mixed(*s.backend, mix, s.batch);
    valid = to_values(batch.valid.samples(batch.labelled, batch.valid.shape().n));
  }
  Values learnt(std::size_t i) const { return said(s, *s.state.networks[i], batch); }
  Values target(Network& of) const {
    const Shape shape = s.batch.image.shape().with_batch(unlabelled_of(s)).with_channels(kClasses);
    return mixed_by_hand(mix, shape, said(s, of, s.batch));
  }
  double term(std::size_t i) const { return value_of(s.state.method->terms(s.step())[i]); }
};

}  // namespace

TEST_CASE("boxes: one for each mixed sample, of a quarter to a half of the patch, from (seed, step, place)") {
  SmallStep s(mixing_config("udct"));
  MethodConfig method = s.config.method;
  const Shape image = s.batch.image.shape();
  std::vector<Offset5> corners;
  for (std::uint32_t t = 0; t < 40; ++t) {
    const CutMix mix = draw_cutmix(s.step(t), method), again = draw_cutmix(s.step(t), method);
    REQUIRE(mix.boxes.size() == static_cast<std::size_t>(unlabelled_of(s)));
    for (std::size_t i = 0; i < mix.boxes.size(); ++i) {
      const CutMix::Box& box = mix.boxes[i];
      CHECK(box.to == static_cast<Index>(i));
      CHECK(box.from == (box.to + 1) % unlabelled_of(s));
      const double share = static_cast<double>(box.extent.voxels()) / static_cast<double>(image.voxels());
      CHECK((share > 0.2 && share < 0.57));  // sides are whole voxels
      for (std::size_t axis = 0; axis < 3; ++axis)
        CHECK(box.corner[axis + 1] + box.extent.spatial()[axis] <= image.spatial()[axis]);
      CHECK(again.boxes[i].corner == box.corner);
      corners.push_back(box.corner);
    }
  }
  std::ranges::sort(corners);
  CHECK(std::ranges::unique(corners).begin() - corners.begin() > 60);

  std::size_t drawn = 0;
  method.cutmix = 0.25;
  for (std::uint32_t t = 0; t < 200; ++t) drawn += draw_cutmix(s.step(t), method).boxes.size();
  CHECK((drawn > 110 && drawn < 190));  // 150 of 600
  method.cutmix = 0;
  CHECK(draw_cutmix(s.step(), method).boxes.empty());
}

TEST_CASE("boxes in a step of the unlabelled samples alone are the joint step's; none of one sample") {
  SmallStep s(mixing_config("udct"));
  const CutMix joint = draw_cutmix(s.step(3), s.config.method);
  const Batch part = part_of(s.batch, {false, true});
  Step alone = with_batch(s.step(3), part);
  alone.tasks = {false, true};
  alone.first_sample = s.batch.labelled;
  const CutMix own = draw_cutmix(alone, s.config.method);
  REQUIRE(own.boxes.size() == joint.boxes.size());
  for (std::size_t i = 0; i < own.boxes.size(); ++i) CHECK(own.boxes[i].corner == joint.boxes[i].corner);
  alone.tasks = {true, false};
  CHECK(draw_cutmix(alone, s.config.method).boxes.empty());

  RunConfig one = mixing_config("udct");
  one.training.unlabelled_batch = 1;
  SmallStep single(one);
  CHECK(draw_cutmix(single.step(), one.method).boxes.empty());
}

TEST_CASE("mixed: boxes come from the next sample as it was; labelled samples and the input stay") {
  const Mixed m(mixing_config("udct"));
  const Shape shape = m.s.batch.image.shape().with_batch(unlabelled_of(m.s));
  const Index labelled = m.s.batch.labelled, n = m.s.batch.image.shape().n;
  const Values before = to_values(m.s.batch.image);
  const Tensor image = m.s.batch.image.samples(labelled, n);
  CHECK(to_values(m.batch.image.samples(labelled, n)) == mixed_by_hand(m.mix, shape, to_values(image)));
  CHECK(to_values(m.batch.image.samples(labelled, n)) != to_values(image));
  CHECK(m.valid == mixed_by_hand(m.mix, shape, to_values(m.s.batch.valid.samples(labelled, n))));
  CHECK(to_values(m.batch.image.samples(0, labelled)) == to_values(m.s.batch.image.samples(0, labelled)));
  CHECK(to_values(m.s.batch.image) == before);
}

TEST_CASE("udct and cps on mixed samples: the other network's targets are those of whole images") {
  for (const std::string name : {"udct", "cps"}) {
    for (const Index samples : {Index{0}, Index{2}}) {
      for (const bool teachers : {false, true}) {
        if (name == "cps" && teachers) continue;
        INFO(name << ", T " << samples << (teachers ? ", target_ema" : ""));
        RunConfig config = mixing_config(name);
        config.method.samples = samples;
        config.method.beta = 1.5;
        config.method.target_ema = teachers;
        const Mixed m(config);
        const auto& makers = teachers ? m.s.state.teachers : m.s.state.networks;
        const double beta = name == "cps" ? 0.0 : 1.5;
        for (const std::size_t i : {0u, 1u}) {
          const double expected = term_by_hand(m.learnt(i), m.target(*makers[1 - i]), m.valid, false, false,
                                               [&](double u) { return std::exp(-beta * u); });
          CHECK(m.term(2 + i) == doctest::Approx(expected).epsilon(2e-3));
        }
      }
    }
  }
}

TEST_CASE("mean_teacher and ua_mt on mixed samples") {
  for (const std::string name : {"mean_teacher", "ua_mt"}) {
    INFO(name);
    RunConfig config = mixing_config(name);
    config.method.mask_end = config.method.mask_start = 0.9;
    const Mixed m(config);
    const double limit = name == "ua_mt" ? 0.9 : 2.0;
    const double expected = term_by_hand(m.learnt(0), m.target(*m.s.state.teachers[0]), m.valid, true, true,
                                         [&](double u) { return u < limit ? 1.0 : 0.0; });
    CHECK(m.term(1) == doctest::Approx(expected).epsilon(2e-3));
  }
}

TEST_CASE("a config that leaves nothing to mix with is refused by its key") {
  ConfigValues values = small_values("cps");
  values.assign("method.cutmix", 0.5, "test");
  CHECK(config_errors(values).empty());
  values.assign("training.unlabelled_batch", Index{1}, "test");
  const std::vector<std::string> errors = config_errors(values);
  REQUIRE(errors.size() == 1);
  values.assign("method.name", std::string("supervised"), "test");
  CHECK(config_errors(values).empty());
  CHECK(errors[0].find("method.cutmix: expected 0 with training.unlabelled_batch = 1") != std::string::npos);
}

TEST_CASE("a step on mixed samples differs from one without, and its lanes are there") {
  RunConfig config = mixing_config("udct");
  SmallStep with(config);
  config.method.cutmix = 0;
  SmallStep without(config);
  const StepReport one = with.run(3), two = without.run(3);
  CHECK(one.terms[0].value() == doctest::Approx(two.terms[0].value()));  // labels
  CHECK(one.terms[2].value() != doctest::Approx(two.terms[2].value()));
  CHECK(one.lanes[0].unsupervised_norm > 0);
}

TEST_CASE("alpha 0: all labelled voxels weigh the same, and no pass is run to weigh them") {
  RunConfig config = mixing_config("udct");
  const auto run = [](const RunConfig& of) {
    SmallStep s(of);
    const std::vector<NamedTerm> terms = s.state.method->terms(s.step());
    return std::pair(value_of(terms[0]), s.backend->work.conv_samples);
  };
  config.method.alpha = 1;
  const auto weighed = run(config);
  config.method.alpha = 0;
  const auto plain = run(config);
  CHECK(plain.second < weighed.second);
  CHECK(plain.first != doctest::Approx(weighed.first).epsilon(1e-3));
  CHECK(plain.first == doctest::Approx(run(mixing_config("cps")).first));
}
