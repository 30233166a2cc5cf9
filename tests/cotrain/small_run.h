// A run small enough for tests: phantom-like cases in memory, a narrow V-Net, a config that trains in
// seconds.
#pragma once

#include <doctest/doctest.h>
#include <filesystem>
#include <memory>
#include <vector>

#include "cotrain/phantom/phantom.h"
#include "cotrain/train/trainer.h"
#include "engine/backend/table.h"
#include "io/nifti/geometry.h"

namespace duet::testing {

inline LoadedCase small_case(std::uint32_t number, const Triple& patch, bool labelled) {
  PhantomSpec spec;
  spec.size = {18, 20, 17};
  spec.size_variation = 1;
  const PhantomCase made = make_phantom(5, number, spec);
  LoadedCase loaded;
  loaded.id = text("case_", number);
  loaded.geometry = make_geometry(made.size, made.spacing);
  loaded.frame = pad_frame(made.size, patch);
  std::vector<float> image = made.image;
  zscore(image);
  loaded.image = pad(image, loaded.frame);
  if (!labelled) return loaded;
  loaded.labels = pad(made.labels, loaded.frame);
  loaded.foreground.resize(2);
  for (std::size_t v = 0; v < loaded.labels.size(); ++v) {
    if (loaded.labels[v]) loaded.foreground[loaded.labels[v] - 1u].push_back(static_cast<std::uint32_t>(v));
  }
  return loaded;
}

inline RunConfig small_config(const std::string& method, NormKind norm = NormKind::instance) {
  RunConfig config;
  config.data.dataset = "unused";
  config.data.patch = {16, 16, 16};
  config.model.width = 2;
  config.model.depth = 3;
  config.model.norm = norm;
  config.model.dropout_p = 0.3;
  config.method.name = method;
  config.method.samples = 3;
  config.training.iterations = 40;
  config.training.learning_rate = 0.05;
  config.training.schedule.name = "polynomial";
  config.training.schedule.rate = 0.05;
  config.training.schedule.total = 40;
  config.training.validate_every = 10;
  config.training.checkpoint_every = 10;
  return config;
}

inline TrainingData small_data(const RunConfig& config) {
  TrainingData data;
  data.classes = {"background", "outer", "inner"};
  for (std::uint32_t i = 0; i < 9; ++i) {
    auto& list = i < 3 ? data.labelled : i < 7 ? data.unlabelled : data.validation;
    list.push_back(small_case(i, config.data.patch, i < 3 || i >= 7));
  }
  return data;
}

inline std::vector<double> all_weights(const TrainingState& state) {
  std::vector<double> values;
  for (const auto* networks : {&state.networks, &state.teachers}) {
    for (const auto& network : *networks) {
      for (const NamedTensor& each : network->state()) {
        for (double value : to_values(each.value)) values.push_back(value);
      }
    }
  }
  return values;
}

}  // namespace duet::testing
