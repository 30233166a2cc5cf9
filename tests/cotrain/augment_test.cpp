// Batches of warped patches: defaults change nothing, threads leave no trace, keys reach the sampler.
#include <algorithm>
#include <cmath>

#include "cotrain/data/loader.h"
#include "cotrain/data/patch.h"
#include "tests/cotrain/small_run.h"

using namespace duet;
using namespace duet::testing;

namespace {

AugmentConfig everything() {
  AugmentConfig config;
  config.flip = {1, 1, 1};
  config.rotate = 30;
  config.scale = 0.3;
  config.stretch = 0.1;
  config.elastic = 2;
  config.probability = 0.7;
  config.gamma = 0.3;
  config.blur = 1;
  config.noise = 0.1;
  return config;
}

void check_same(const Batch& a, const Batch& b) {
  CHECK(to_values(a.image) == to_values(b.image));
  CHECK(to_values(a.valid) == to_values(b.valid));
  CHECK(to_values(a.labels) == to_values(b.labels));
  CHECK(a.case_ids == b.case_ids);
}

struct Fixture {
  std::unique_ptr<Backend> backend = make_default_backend();
  RunConfig config = small_config("udct");
  TrainingData data = small_data(config);
  SamplerConfig sampler = sampler_config(config, *make_method(config.method));

  Batch batch(const SamplerConfig& of, std::uint32_t step) const {
    return make_batch(*backend, of, data.labelled, data.unlabelled, step);
  }
};

}  // namespace

TEST_CASE("with every key at 0 a batch holds the bytes of cut_patch") {
  Fixture f;
  f.config.data.patch = {24, 24, 24};  // larger than the cases: the corner can be but one
  f.data = small_data(f.config);
  f.sampler.patch = f.config.data.patch;
  f.sampler.augment.brightness = f.sampler.augment.contrast = 0;
  for (std::uint32_t step = 0; step < 6; ++step) {
    const Batch batch = f.batch(f.sampler, step);
    for (Index s = 0; s < 4; ++s) {
      const auto& list = s < 2 ? f.data.labelled : f.data.unlabelled;
      const auto from = std::find_if(list.begin(), list.end(), [&](const LoadedCase& each) {
        return each.id == batch.case_ids[static_cast<std::size_t>(s)];
      });
      REQUIRE(from != list.end());
      std::vector<float> image(24 * 24 * 24), valid(image.size());
      std::vector<std::uint8_t> labels(image.size());
      cut_patch(*from, {}, f.sampler.patch, image.data(), valid.data(), s < 2 ? labels.data() : nullptr);
      CHECK(to_values(batch.image.samples(s, s + 1)) == std::vector<double>(image.begin(), image.end()));
      CHECK(to_values(batch.valid.samples(s, s + 1)) == std::vector<double>(valid.begin(), valid.end()));
      if (s >= 2) continue;
      CHECK(to_values(batch.labels.samples(s, s + 1)) == std::vector<double>(labels.begin(), labels.end()));
    }
  }
}

TEST_CASE("defaults are zeros, and what is asked for of no patch changes none") {
  const Fixture f;
  SamplerConfig never = f.sampler;
  never.augment.rotate = never.augment.elastic = never.augment.scale = 1;
  never.augment.probability = 0;
  SamplerConfig warped = f.sampler;
  warped.augment = everything();
  warped.augment.flip = {0, 0, 0};
  for (std::uint32_t step = 0; step < 6; ++step) {
    const Batch today = f.batch(f.sampler, step);
    check_same(f.batch(never, step), today);
    const Batch other = f.batch(warped, step);
    CHECK(to_values(other.image) != to_values(today.image));
    CHECK(other.case_ids == today.case_ids);
  }
}

TEST_CASE("an image that equals its labels stays close to them, and outside all is 0") {
  Fixture f;
  for (LoadedCase& each : f.data.labelled) each.image.assign(each.labels.begin(), each.labels.end());
  f.sampler.augment = everything();
  f.sampler.augment.brightness = f.sampler.augment.contrast = 0;
  f.sampler.augment.noise = f.sampler.augment.blur = f.sampler.augment.gamma = 0;
  Index outside = 0;
  for (std::uint32_t step = 0; step < 20; ++step) {
    const Batch batch = f.batch(f.sampler, step);
    const auto image = to_values(batch.image), valid = to_values(batch.valid),
               labels = to_values(batch.labels);
    for (std::size_t v = 0; v < valid.size(); ++v) {
      const bool inside = valid[v] == 1;
      outside += !inside;
      if (!inside) REQUIRE(image[v] == 0);
      if (v >= labels.size()) continue;
      if (!inside) REQUIRE(labels[v] == 0);
      REQUIRE((labels[v] == 0 || labels[v] == 1 || labels[v] == 2));
      // Trilinear: the nearest of eight neighbours weighs an eighth at least; classes differ by 2 at most.
      REQUIRE(std::abs(image[v] - labels[v]) <= 1.75);
    }
  }
  CHECK(outside > 100);
}

TEST_CASE("no, one and three loading threads give the same bytes, from any step on") {
  Fixture f;
  f.sampler.augment = everything();
  for (Index threads : {0, 1, 3}) {
    for (Index first : {0, 5}) {  // as a resumed run would start
      BatchLoader loader(batch_maker(*f.backend, f.sampler, f.data.labelled, f.data.unlabelled), first, 12,
                         loader_config(threads));
      for (Index step = first; step < 12; ++step) {
        check_same(loader.next(), f.batch(f.sampler, static_cast<std::uint32_t>(step)));
      }
    }
  }
}

TEST_CASE("the keys of a config reach the sampler; their defaults are those of AugmentConfig") {
  ConfigValues values(run_schema());
  ConfigErrors errors;
  const AugmentConfig plain = to_run_config(values, errors).augment, expected;
  CHECK(plain.foreground == expected.foreground);
  for (double zero :
       {plain.rotate, plain.scale, plain.stretch, plain.elastic, plain.gamma, plain.blur, plain.noise}) {
    CHECK(zero == 0);
  }
  CHECK(plain.probability == 1);
  double value = 0.1;
  for (const char* key : {"rotate", "scale", "stretch", "elastic", "probability", "gamma", "blur", "noise"}) {
    values.assign(text("augment.", key), value, "test");
    value += 0.1;
  }
  const AugmentConfig set = to_run_config(values, errors).augment;
  value = 0.1;
  for (double found :
       {set.rotate, set.scale, set.stretch, set.elastic, set.probability, set.gamma, set.blur, set.noise}) {
    CHECK(found == doctest::Approx(value));
    value += 0.1;
  }
}
