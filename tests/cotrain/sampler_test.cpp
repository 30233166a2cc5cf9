#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "cotrain/data/patch.h"
#include "engine/core/philox.h"
#include "tests/cotrain/small_run.h"

using namespace duet;
using namespace duet::testing;

namespace {

struct Cut {
  std::vector<float> image, valid;
  std::vector<std::uint8_t> labels;
};

// cut_patch as its contract reads, a voxel at a time.
Cut cut_by_voxel(const LoadedCase& from, const Placement& place, const Triple& patch) {
  Cut cut;
  for (Index d = 0; d < patch[0]; ++d) {
    for (Index h = 0; h < patch[1]; ++h) {
      for (Index w = 0; w < patch[2]; ++w) {
        const Triple to = {d, h, w};
        Triple at{};
        bool inside = true;
        for (std::size_t axis = 0; axis < 3; ++axis) {
          at[axis] = place.corner[axis] + (place.flip[axis] ? patch[axis] - 1 - to[axis] : to[axis]);
          const Index in_image = at[axis] - from.frame.offset[axis];
          inside = inside && in_image >= 0 && in_image < from.frame.extent[axis];
        }
        const auto voxel =
            static_cast<std::size_t>((at[0] * from.frame.size[1] + at[1]) * from.frame.size[2] + at[2]);
        cut.image.push_back(inside ? from.image[voxel] * place.factor + place.offset : 0.0f);
        cut.valid.push_back(inside ? 1.0f : 0.0f);
        cut.labels.push_back(from.labels[voxel]);
      }
    }
  }
  return cut;
}

// Of small patches, each around a foreground voxel.
RunConfig around_foreground() {
  RunConfig config = small_config("udct");
  config.data.patch = {8, 8, 8};
  config.model.depth = 2;
  config.augment.foreground = 1.0;
  return config;
}

}  // namespace

TEST_CASE("patches hold the bytes that a voxel at a time gives, at every corner and flip") {
  LoadedCase from;
  from.frame = {{9, 12, 21}, {2, 0, 3}, {5, 12, 14}};  // padded in D and W
  for (std::uint32_t v = 0; v < 9 * 12 * 21; ++v) {
    from.image.push_back(draw_uniform({}, 0, v) - 0.5f);
    from.labels.push_back(static_cast<std::uint8_t>(draw_below({}, 1, v, 3)));
  }
  for (const Triple& patch : {Triple{9, 12, 21}, Triple{4, 5, 19}, Triple{2, 3, 1}, Triple{1, 12, 3}}) {
    std::uint32_t corners = 0;
    for (Index d = 0; d + patch[0] <= 9; ++d) {
      for (Index h = 0; h + patch[1] <= 12; h += 3) {
        for (Index w = 0; w + patch[2] <= 21; ++w, ++corners) {
          const bool f0 = corners & 1, f1 = corners & 2, f2 = (corners / 3) & 1;
          const Placement place{{d, h, w}, {f0, f1, f2}, 1.1f, -0.3f};
          const Cut expected = cut_by_voxel(from, place, patch);
          Cut cut;  // filled with what must not stay
          cut.image.assign(expected.image.size(), 99.0f);
          cut.valid.assign(expected.valid.size(), 99.0f);
          cut.labels.assign(expected.labels.size(), 99);
          cut_patch(from, place, patch, cut.image.data(), cut.valid.data(), cut.labels.data());
          REQUIRE(cut.image == expected.image);
          REQUIRE(cut.valid == expected.valid);
          REQUIRE(cut.labels == expected.labels);
        }
      }
    }
    CHECK(corners > 0);
  }
}

TEST_CASE("draws are those of a list shuffled by Fisher and Yates") {
  for (std::size_t count : {1u, 2u, 3u, 10u, 118u}) {
    for (std::uint32_t round : {0u, 1u, 7u}) {
      const PhiloxKey key{5, Stream::order, 1, 0, round, 0};
      std::vector<std::size_t> order(count), drawn;
      std::iota(order.begin(), order.end(), std::size_t{0});
      for (std::size_t i = count; i > 1; --i) {
        std::swap(order[i - 1], order[draw_below(key, 0, i, static_cast<std::uint32_t>(i))]);
      }
      for (std::size_t i = 0; i < count; ++i) drawn.push_back(shuffled_index(5, 1, round * count + i, count));
      CHECK(drawn == order);
    }
  }
}

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
  RunConfig config = around_foreground();
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

TEST_CASE("how much brighter a patch is says nothing of its contrast") {
  const auto backend = make_default_backend();
  RunConfig config = around_foreground();
  TrainingData data = small_data(config);
  for (LoadedCase& each : data.labelled) each.image.assign(each.labels.begin(), each.labels.end());
  const SamplerConfig sampler = sampler_config(config, *make_method(config.method));
  // Of an image of its own labels: offset where there is background, factor + offset in class 1.
  double shift[2] = {0, 0}, count[2] = {0, 0};  // mean |offset| below and above a factor of 1
  for (std::uint32_t step = 0; step < 400; ++step) {
    const Batch batch = make_batch(*backend, sampler, data.labelled, data.unlabelled, step);
    for (Index s = 0; s < batch.labelled; ++s) {
      const auto labels = to_values(batch.labels.samples(s, s + 1)),
                 image = to_values(batch.image.samples(s, s + 1));
      const auto of = [&](double label) { return std::find(labels.begin(), labels.end(), label); };
      if (of(0) == labels.end() || of(1) == labels.end()) continue;
      const double offset = image[static_cast<std::size_t>(of(0) - labels.begin())];
      const double factor = image[static_cast<std::size_t>(of(1) - labels.begin())] - offset;
      shift[factor > 1] += std::abs(offset);
      ++count[factor > 1];
    }
  }
  REQUIRE(count[0] > 100);
  REQUIRE(count[1] > 100);
  // A normal's mean size is 0.8 of its deviation; its standard error at 100 draws 0.06 of it.
  for (int side : {0, 1}) CHECK(shift[side] / count[side] == doctest::Approx(0.08).scale(0).epsilon(0.25));
}
