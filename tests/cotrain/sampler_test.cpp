#include <set>

#include "tests/cotrain/small_run.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("each round of draws is a permutation, and rounds differ") {
  std::vector<std::size_t> rounds[2];
  for (std::uint64_t round = 0; round < 2; ++round) {
    std::set<std::size_t> seen;
    for (std::uint64_t i = 0; i < 10; ++i) {
      rounds[round].push_back(shuffled_index(3, 0, round * 10 + i, 10));
      seen.insert(rounds[round].back());
    }
    CHECK(seen.size() == 10);
  }
  CHECK(rounds[0] != rounds[1]);
}

TEST_CASE("a batch is a pure function of seed and step") {
  const auto backend = make_default_backend();
  const RunConfig config = small_config("udct");
  const TrainingData data = small_data(config);
  const SamplerConfig sampler = sampler_config(config, *make_method(config.method));
  const Batch a = make_batch(*backend, sampler, data.labelled, data.unlabelled, 7);
  const Batch b = make_batch(*backend, sampler, data.labelled, data.unlabelled, 7);
  const Batch c = make_batch(*backend, sampler, data.labelled, data.unlabelled, 8);
  CHECK(to_values(a.image) == to_values(b.image));
  CHECK(to_values(a.labels) == to_values(b.labels));
  CHECK(to_values(a.image) != to_values(c.image));
  CHECK(a.image.shape() == Shape{4, 16, 16, 16, 1});
  CHECK(a.labels.shape() == Shape{2, 16, 16, 16, 1});
  CHECK(a.case_ids.size() == 4);
}

TEST_CASE("padding weighs nothing and stays 0 under intensity changes") {
  const auto backend = make_default_backend();
  RunConfig config = small_config("udct");
  config.data.patch = {24, 24, 24};  // larger than the cases
  const TrainingData data = small_data(config);
  const SamplerConfig sampler = sampler_config(config, *make_method(config.method));
  const Batch batch = make_batch(*backend, sampler, data.labelled, data.unlabelled, 0);
  const auto image = to_values(batch.image), valid = to_values(batch.valid);
  Index inside = 0;
  for (std::size_t i = 0; i < image.size(); ++i) {
    if (valid[i] == 0) CHECK(image[i] == 0);
    inside += valid[i] == 1;
  }
  Index expected = 0;
  for (const std::string& id : batch.case_ids) {
    for (const auto* list : {&data.labelled, &data.unlabelled}) {
      for (const LoadedCase& each : *list) {
        if (each.id == id) expected += each.frame.extent[0] * each.frame.extent[1] * each.frame.extent[2];
      }
    }
  }
  CHECK(inside == expected);
}

TEST_CASE("foreground-balanced patches hold foreground; flips mirror image and labels alike") {
  const auto backend = make_default_backend();
  RunConfig config = small_config("udct");
  config.data.patch = {8, 8, 8};
  config.model.depth = 2;
  config.augment.foreground = 1.0;
  config.augment.brightness = 0;
  config.augment.contrast = 0;
  TrainingData data = small_data(config);
  SamplerConfig sampler = sampler_config(config, *make_method(config.method));
  for (std::uint32_t step = 0; step < 20; ++step) {
    const Batch batch = make_batch(*backend, sampler, data.labelled, data.unlabelled, step);
    for (Index s = 0; s < 2; ++s) {
      const auto labels = to_values(batch.labels.samples(s, s + 1));
      CHECK(std::any_of(labels.begin(), labels.end(), [](double l) { return l > 0; }));
    }
  }
  // An image that equals its labels stays equal under flips.
  for (LoadedCase& each : data.labelled) each.image.assign(each.labels.begin(), each.labels.end());
  sampler.augment.flip = {1, 1, 1};
  bool mirrored = false;
  for (std::uint32_t step = 0; step < 8; ++step) {
    const Batch batch = make_batch(*backend, sampler, data.labelled, data.unlabelled, step);
    CHECK(to_values(batch.image.samples(0, 2)) == to_values(batch.labels));
    SamplerConfig straight = sampler;
    straight.augment.flip = {0, 0, 0};
    const Batch plain = make_batch(*backend, straight, data.labelled, data.unlabelled, step);
    mirrored = mirrored || to_values(plain.image) != to_values(batch.image);
  }
  CHECK(mirrored);
}
