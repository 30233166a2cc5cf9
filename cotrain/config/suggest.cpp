#include "cotrain/config/suggest.h"

#include <algorithm>
#include <cmath>

#include "cotrain/config/run_config.h"
#include "engine/core/errors.h"
#include "io/dataset/dataset.h"
#include "io/nifti/image.h"
#include "nn/check.h"

namespace duet {
namespace {

Triple median_size(const Dataset& dataset) {
  std::array<std::vector<Index>, 3> sizes;
  for (const Case& each : dataset.cases) {
    const Geometry stored = read_header(each.image).geometry;
    const Geometry turned = reoriented(stored, orientation_to_ras(stored));
    for (std::size_t axis = 0; axis < 3; ++axis) sizes[axis].push_back(turned.size[axis]);
  }
  Triple median{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    std::sort(sizes[axis].begin(), sizes[axis].end());
    median[axis] = sizes[axis][sizes[axis].size() / 2];
  }
  return median;
}

// Down to a multiple of the stride, but at least two voxels at the bottleneck (small images are padded).
Triple patch_for(const Triple& size, const Triple& stride) {
  Triple patch{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const Index least = stride[axis] == 1 ? 1 : 2 * stride[axis];
    patch[axis] = stride[axis] == 1 ? 1 : std::max(least, size[axis] / stride[axis] * stride[axis]);
  }
  return patch;
}

// As deep as leaves two voxels along each axis in use, at most 5 stages.
int depth_for(const Triple& size, int dimensions) {
  Index least = std::min(size[1], size[2]);
  if (dimensions == 3) least = std::min(least, size[0]);
  int depth = 2;
  while (depth < 5 && least >= (Index{2} << depth)) ++depth;
  return depth;
}

}  // namespace

ConfigValues suggest_config(const std::filesystem::path& file, std::size_t memory, bool bf16) {
  const Dataset dataset = read_dataset(file);
  const Triple size = median_size(dataset);
  const auto labelled = static_cast<Index>(std::count_if(dataset.cases.begin(), dataset.cases.end(),
                                                         [](const Case& each) { return each.labelled(); }));
  const auto total = static_cast<Index>(dataset.cases.size());
  const bool semi = labelled < total;

  NetworkConfig model;
  model.classes = static_cast<Index>(dataset.classes.size());
  model.dimensions = size[0] == 1 ? 2 : 3;
  model.depth = depth_for(size, model.dimensions);
  const Triple stride = network_stride(model);
  Triple patch = patch_for(size, stride);
  const Index batch = model.dimensions == 2 ? 8 : 2;
  // Two networks' activations, and a quarter more for samples and prediction.
  const auto step_bytes = [&] {
    const Index samples = semi ? 2 * batch : batch;
    return static_cast<double>(estimate_step_bytes(model, patch, samples, bf16)) * (semi ? 2 : 1) * 1.25;
  };
  const auto fits = [&] { return memory == 0 || step_bytes() <= static_cast<double>(memory); };
  while (!fits()) {
    std::size_t longest = 0;
    for (std::size_t axis = 1; axis < 3; ++axis) {
      if (patch[axis] > patch[longest]) longest = axis;
    }
    const bool shrinks = patch[longest] > 2 * stride[longest];
    if (shrinks && (patch[longest] > 64 || model.width <= 4)) {
      patch[longest] -= stride[longest];
    } else if (model.width > 4) {
      model.width /= 2;
    } else {
      throw Error(ExitCode::usage,
                  text(file.string(), ": a training step of the smallest network and patch takes ",
                       std::ceil(step_bytes() / (1 << 20)), " MiB, more than the ",
                       static_cast<double>(memory >> 20), " MiB that it may (--memory GiB)"));
    }
  }

  ConfigValues values(run_schema());
  const std::string origin = "duet config --from";
  auto set = [&](const std::string& key, ConfigValue value) { values.assign(key, std::move(value), origin); };
  set("data.dataset", std::filesystem::absolute(file).lexically_normal().string());
  set("data.validation", std::min<Index>(20, labelled / 5));
  set("data.patch", patch);
  set("model.dimensions", Index{model.dimensions});
  set("model.depth", Index{model.depth});
  set("model.width", model.width);
  set("method.name", std::string(semi ? "udct" : "supervised"));
  set("training.labelled_batch", batch);
  set("training.unlabelled_batch", batch);
  set("training.precision", std::string(bf16 ? "bf16" : "f32"));
  return values;
}

std::string commented_json(const ConfigValues& values) {
  std::string out = "{", section;
  for (const KeySpec& key : values.schema()) {
    const std::size_t dot = key.name.find('.');
    const std::string part = key.name.substr(0, dot), name = key.name.substr(dot + 1);
    if (part != section) {
      out += text(section.empty() ? "\n" : "\n  },\n", "  \"", part, "\": {\n");
      section = part;
    } else {
      out += ",\n";
    }
    ConfigValue value = key.fallback;
    switch (key.type) {
      case KeyType::boolean:
        value = values.get_bool(key.name);
        break;
      case KeyType::integer:
        value = values.get_int(key.name);
        break;
      case KeyType::number:
        value = values.get_number(key.name);
        break;
      case KeyType::triple:
        value = values.get_triple(key.name);
        break;
      case KeyType::numbers:
        value = values.get_numbers(key.name);
        break;
      case KeyType::string:
      case KeyType::choice:
        value = values.get_string(key.name);
        break;
    }
    out += text("    // ", key.explanation, "; ", expected_value(key), "\n    \"", name,
                "\": ", value_text(value));
  }
  return out + "\n  }\n}\n";
}

}  // namespace duet
