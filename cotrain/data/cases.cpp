#include "cotrain/data/cases.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <new>
#include <thread>

#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "io/dataset/shrink.h"
#include "io/nifti/geometry.h"

namespace duet {

Image read_checked(const std::filesystem::path& file, bool reorient) {
  Image image = read_image(file, {reorient});
  require_single_channel(image);
  require_finite(image);
  return image;
}

Image normalised(Image image, const Triple& shrink) {
  const Blocks blocks{image.size, shrink};
  if (!blocks.whole()) {
    image.data = block_means(image.data, blocks);
    image.geometry = shrunk(image.geometry, shrink);
    image.size = image.geometry.size;
    image.spacing = image.geometry.spacing;
    image.affine = image.geometry.affine;
  }
  zscore(image.data);
  return image;
}

namespace {

LoadedCase read_case(const Case& from, int classes, const DataConfig& config) {
  Image image = read_checked(from.image, config.reorient);
  const Geometry own = image.geometry;
  image = normalised(std::move(image), config.shrink);
  LoadedCase loaded;
  loaded.id = from.id;
  loaded.geometry = image.geometry;
  loaded.frame = pad_frame(image.size, config.patch);
  loaded.image = pad(image.data, loaded.frame);
  if (!from.labelled()) return loaded;

  Image label = read_image(from.label, {config.reorient});
  require_single_channel(label);
  if (const auto difference = geometry_difference(own, label.geometry)) {
    throw Error(ExitCode::data, text("case ", from.id, ": image ", from.image.string(), " and label ",
                                     from.label.string(), " differ: ", *difference));
  }
  std::vector<std::uint8_t> labels = labels_of(label, classes);
  const Blocks blocks{own.size, config.shrink};
  if (!blocks.whole()) labels = block_majorities(labels, blocks);
  loaded.labels = pad(labels, loaded.frame);
  loaded.foreground.resize(static_cast<std::size_t>(classes - 1));
  for (std::size_t v = 0; v < loaded.labels.size(); ++v) {
    if (loaded.labels[v] > 0)
      loaded.foreground[loaded.labels[v] - 1u].push_back(static_cast<std::uint32_t>(v));
  }
  return loaded;
}

}  // namespace

LoadedCase load_case(const Case& from, int classes, const DataConfig& config) {
  try {
    return read_case(from, classes, config);
  } catch (const std::bad_alloc&) {
    const Triple& patch = config.patch;
    throw Error(ExitCode::device, text("case ", from.id, ": out of memory for ", from.image.string(),
                                       ", padded to data.patch ", patch[0], 'x', patch[1], 'x', patch[2]));
  }
}

std::vector<LoadedCase> load_cases(const std::vector<SplitCase>& cases, int classes,
                                   const DataConfig& config) {
  std::vector<LoadedCase> loaded(cases.size());
  std::vector<std::exception_ptr> failures(cases.size());
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  // Cases are taken in order, so all that come before a failing one are looked at, too.
  auto work = [&] {
    while (!failed) {
      const std::size_t i = next++;
      if (i >= cases.size()) return;
      try {
        loaded[i] = load_case(cases[i], classes, config);
      } catch (...) {
        failures[i] = std::current_exception();
        failed = true;
      }
    }
  };
  {
    const std::size_t threads = std::min(cases.size(), static_cast<std::size_t>(max_threads()));
    std::vector<std::jthread> beside;  // this thread works, too
    for (std::size_t t = 1; t < threads; ++t) beside.emplace_back(work);
    work();
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return loaded;
}

std::array<double, 3> median_spacing(std::vector<std::array<double, 3>> spacings) {
  std::array<double, 3> median{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto middle = spacings.begin() + static_cast<std::ptrdiff_t>(spacings.size() / 2);
    std::nth_element(spacings.begin(), middle, spacings.end(),
                     [axis](const auto& a, const auto& b) { return a[axis] < b[axis]; });
    median[axis] = (*middle)[axis];
  }
  return median;
}

bool far_from(const std::array<double, 3>& spacing, const std::array<double, 3>& usual) {
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double ratio = spacing[axis] / usual[axis];
    if (ratio > 1.5 || ratio < 1.0 / 1.5) return true;
  }
  return false;
}

std::vector<std::string> geometry_warnings(const std::vector<std::pair<std::string, Geometry>>& cases) {
  std::vector<std::string> warnings;
  if (cases.size() < 2) return warnings;
  auto list = [](const std::vector<std::string>& ids) {
    std::string names;
    for (std::size_t i = 0; i < ids.size() && i < 8; ++i) names += (i ? ", " : "") + ids[i];
    if (ids.size() > 8) names += text(" and ", ids.size() - 8, " more");
    return names;
  };

  std::map<std::string, std::vector<std::string>> by_axes;
  for (const auto& [id, geometry] : cases) by_axes[axis_codes(geometry.affine)].push_back(id);
  const auto common = std::max_element(by_axes.begin(), by_axes.end(), [](const auto& a, const auto& b) {
    return a.second.size() < b.second.size();
  });
  for (const auto& [axes, ids] : by_axes) {
    if (axes != common->first) {
      warnings.push_back(
          text("orientation ", axes, " where most cases are ", common->first, ": ", list(ids)));
    }
  }

  std::vector<std::array<double, 3>> spacings;
  spacings.reserve(cases.size());
  for (const auto& each : cases) spacings.push_back(spacing_mm(each.second));
  const std::array<double, 3> median = median_spacing(spacings);
  std::vector<std::string> odd;
  for (const auto& [id, geometry] : cases) {
    const std::array<double, 3> spacing = spacing_mm(geometry);
    if (far_from(spacing, median))
      odd.push_back(text(id, " (", spacing[0], "x", spacing[1], "x", spacing[2], ")"));
  }
  if (!odd.empty()) {
    warnings.push_back(text("spacing (D,H,W) far from the usual ", median[0], "x", median[1], "x", median[2],
                            " mm: ", list(odd)));
  }
  return warnings;
}

}  // namespace duet
