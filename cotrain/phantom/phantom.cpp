#include "cotrain/phantom/phantom.h"

#include <algorithm>
#include <cmath>

#include "cotrain/phantom/blob.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"

namespace duet {
namespace {

// Draws for different things come from different layers of the stream.
enum Layer : std::uint32_t { kGeometry, kOrgans, kNeighbours, kBrightness, kNoise };

// What a voxel is made of. The neighbours have the brightness of an organ and the label of the background.
enum Tissue : std::uint8_t { kBackground, kOuter, kInner, kLikeOuter, kLikeInner };

constexpr double kWall = 0.82;       // where the inner organ ends at the latest, over the outer one's radius
constexpr double kGap = 0.16;        // between the outer organ and its neighbours, over the organ's radius
constexpr int kMostNeighbours = 40;  // tried, of each brightness

struct Grid {
  Triple size{};
  Vec3 spacing{};
  Vec3 extent{};        // mm
  double shortest = 0;  // mm, of the sides longer than one voxel

  // Centre of a voxel in mm from the centre of the image.
  Vec3 place(Index d, Index h, Index w) const {
    const Triple at = {d, h, w};
    Vec3 x{};
    for (int i = 0; i < 3; ++i)
      x[i] = (static_cast<double>(at[i]) - 0.5 * static_cast<double>(size[i] - 1)) * spacing[i];
    return x;
  }
};

}  // namespace

void check_phantom(const PhantomSpec& spec) {
  constexpr Index kMostVoxels = Index{1} << 27;
  const auto fits = [](Index side, bool flat) { return (flat && side == 1) || (side >= 16 && side <= 4096); };
  DUET_CHECK(fits(spec.size[0], true) && fits(spec.size[1], false) && fits(spec.size[2], false) &&
                 spec.size[0] * spec.size[1] * spec.size[2] <= kMostVoxels,
             "phantom: size (", spec.size[0], ",", spec.size[1], ",", spec.size[2],
             ") must have sides from 16 to 4096 (or D = 1) and at most 2^27 voxels");
  DUET_CHECK(spec.size_variation >= 0 && spec.size_variation <= 8,
             "phantom: size_variation must be in [0, 8], got ", spec.size_variation);
  for (const double mm : spec.spacing) {
    DUET_CHECK(std::isfinite(mm) && mm > 0, "phantom: spacing must be a positive number of mm, got ", mm);
  }
  for (const double v : {spec.spacing_variation, spec.shift, spec.deformation, spec.bias}) {
    DUET_CHECK(v >= 0 && v < 1, "phantom: variation, shift, deformation and bias must be in [0, 1), got ", v);
  }
  for (const double v : {spec.noise, spec.texture, spec.neighbours}) {
    DUET_CHECK(v >= 0 && v <= 100, "phantom: noise, texture and neighbours must be in [0, 100], got ", v);
  }
}

namespace {

Grid draw_grid(PhantomDraws draws, const PhantomSpec& spec) {
  Grid grid;
  grid.shortest = 1e300;
  for (int i = 0; i < 3; ++i) {
    const auto range = static_cast<double>(2 * spec.size_variation + 1);
    const auto change = static_cast<Index>(std::floor(draws.uniform(0, range))) - spec.size_variation;
    grid.size[i] = spec.size[i] == 1 ? 1 : spec.size[i] + change;
    // Two decimals, as a header would have it.
    const double factor = draws.uniform(1 - spec.spacing_variation, 1 + spec.spacing_variation);
    grid.spacing[i] = std::max(0.01, std::round(spec.spacing[i] * factor * 100) / 100);
    grid.extent[i] = grid.spacing[i] * static_cast<double>(grid.size[i]);
    if (grid.size[i] > 1) grid.shortest = std::min(grid.shortest, grid.extent[i]);
  }
  return grid;
}

struct Organs {
  Blob outer, inner;  // inner lives in the outer one's local coordinates, so that it is always inside
};

// Shrinks and moves the blob so that all of it lies in the image, at least a voxel off every side.
void fit_into(Blob& blob, const Grid& grid) {
  const auto reach = reach_of(blob);
  double shrink = 1;
  for (int i = 0; i < 3; ++i) {
    const double room = grid.extent[i] - 3 * grid.spacing[i];
    if (grid.size[i] > 1) shrink = std::min(shrink, room / (reach[i].high - reach[i].low));
  }
  for (int i = 0; i < 3; ++i) {
    blob.radii[i] *= shrink;
    if (grid.size[i] == 1) continue;
    const double half = 0.5 * grid.extent[i] - 1.5 * grid.spacing[i];
    const double least = -half - shrink * reach[i].low;
    blob.centre[i] = std::clamp(blob.centre[i], least, std::max(least, half - shrink * reach[i].high));
  }
}

Organs draw_organs(PhantomDraws draws, const Grid& grid, const PhantomSpec& spec) {
  Organs organs;
  const double scale = grid.shortest * draws.uniform(0.31, 0.37);
  for (int i = 0; i < 3; ++i) {
    const double shift = draws.uniform(-spec.shift, spec.shift) * grid.shortest;
    organs.outer.centre[i] = grid.size[i] == 1 ? 0 : shift;
    organs.outer.radii[i] = scale * draws.uniform(0.8, 1.2);
    organs.inner.centre[i] = draws.uniform(-0.09, 0.09);
    organs.inner.radii[i] = draws.uniform(0.56, 0.70);
  }
  organs.outer.rotation = draw_rotation(draws);
  organs.inner.rotation = draw_rotation(draws);
  organs.outer.surface = draw_waves(draws, 1.5, 3.0, spec.deformation);
  organs.inner.surface = draw_waves(draws, 1.5, 3.0, spec.deformation);
  fit_into(organs.outer, grid);
  return organs;
}

struct Painting {
  std::vector<std::uint8_t> tissue;
  std::vector<std::uint8_t> free;  // where a neighbour may be: background with a gap around the organ
};

// Where the wall is thinner than a voxel it is mended: an inner voxel beside background becomes outer.
void close_wall(std::vector<std::uint8_t>& tissue, const Triple& size) {
  const Triple stride = {size[1] * size[2], size[2], 1};
  std::vector<Index> mended;
  for (Index i = 0; i < static_cast<Index>(tissue.size()); ++i) {
    if (tissue[i] != kInner) continue;
    for (int axis = 0; axis < 3;
         ++axis) {  // a voxel off every side (see fit_into), but along an axis of size 1
      if (size[axis] > 1 &&
          (tissue[i - stride[axis]] == kBackground || tissue[i + stride[axis]] == kBackground)) {
        mended.push_back(i);
        break;
      }
    }
  }
  for (const Index i : mended) tissue[i] = kOuter;
}

Painting paint_organs(const Grid& grid, const Organs& organs) {
  const Index plane = grid.size[1] * grid.size[2];
  Painting painting;
  painting.tissue.resize(grid.size[0] * plane, kBackground);
  painting.free.resize(grid.size[0] * plane, 0);
  parallel_for(grid.size[0], [&](Index d) {
    for (Index i = 0; i < plane; ++i) {
      const Vec3 q = organs.outer.local(grid.place(d, i / grid.size[2], i % grid.size[2]));
      const double outer = organs.outer.level(q);
      const Index at = d * plane + i;
      if (outer >= 1 + kGap) painting.free[at] = 1;
      if (outer >= 1) continue;
      // The outer organ has a wall, however both are deformed.
      const bool inside = outer < kWall && organs.inner.level(organs.inner.local(q)) < 1;
      painting.tissue[at] = inside ? kInner : kOuter;
    }
  });
  close_wall(painting.tissue, grid.size);
  return painting;
}

// Adds blobs of one brightness wherever there is room until they have the volume wanted. Neighbours lie
// against the organ's gap and the image's border, are cut by both, and overlap each other.
void paint_neighbours(Painting& painting, const Grid& grid, PhantomDraws& draws, Tissue like, double wanted) {
  double painted = 0;
  const double deformation = 0.12;
  for (int n = 0; n < kMostNeighbours && painted < wanted; ++n) {
    Blob blob;
    // Some are long, as vessels are.
    const double scale = grid.shortest * draws.uniform(0.10, 0.20), stretch = draws.uniform(1.0, 2.2);
    for (int i = 0; i < 3; ++i) {
      const double place = draws.uniform(-0.5, 0.5) * grid.extent[i];
      blob.centre[i] = grid.size[i] == 1 ? 0 : place;
      blob.radii[i] = scale * draws.uniform(0.8, 1.2) * (i == 0 ? stretch : 1.0);
    }
    blob.rotation = draw_rotation(draws);
    blob.surface = draw_waves(draws, 1.5, 3.0, deformation);
    const double reach = 1.6 * std::max({blob.radii[0], blob.radii[1], blob.radii[2]});
    Triple begin{}, end{};
    for (int i = 0; i < 3; ++i) {
      const double middle = blob.centre[i] / grid.spacing[i] + 0.5 * static_cast<double>(grid.size[i] - 1);
      begin[i] = std::max<Index>(0, static_cast<Index>(std::floor(middle - reach / grid.spacing[i])));
      end[i] =
          std::min<Index>(grid.size[i], static_cast<Index>(std::ceil(middle + reach / grid.spacing[i])) + 1);
    }
    for (Index d = begin[0]; d < end[0]; ++d) {
      for (Index h = begin[1]; h < end[1]; ++h) {
        for (Index w = begin[2]; w < end[2]; ++w) {
          const Index at = (d * grid.size[1] + h) * grid.size[2] + w;
          if (!painting.free[at] || painting.tissue[at] != kBackground) continue;
          if (blob.level(blob.local(grid.place(d, h, w))) >= 1) continue;
          painting.tissue[at] = like;
          painted += 1;
        }
      }
    }
  }
}

// 1/4 1/2 1/4 along one axis, ends repeated.
void blur_axis(std::vector<float>& image, const Triple& size, int axis) {
  if (size[axis] == 1) return;
  const Triple strides = {size[1] * size[2], size[2], 1};
  const Index stride = strides[axis], length = size[axis];
  const std::vector<float> from = image;
  parallel_chunks(static_cast<Index>(image.size()), 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index at = i / stride % length;
      const float before = from[at > 0 ? i - stride : i], after = from[at + 1 < length ? i + stride : i];
      image[i] = 0.5f * from[i] + 0.25f * (before + after);
    }
  });
}

std::vector<float> render(const Painting& painting, const Grid& grid, PhantomDraws draws,
                          const PhiloxKey& noise_key, const PhantomSpec& spec) {
  const Index plane = grid.size[1] * grid.size[2];
  const double inner = draws.uniform(0.38, 0.50);
  const std::array<double, 5> brightness = {0.0, 1.0, inner, draws.uniform(0.95, 1.05),
                                            inner + draws.uniform(-0.03, 0.03)};
  const double wavelength = 2 * 3.14159265358979 / grid.shortest;
  const Waves coarse = draw_waves(draws, 4 * wavelength, 9 * wavelength, spec.texture);
  // The field spans less than one wave across the image; its amplitude is bounded by three deviations, near
  // enough.
  const Waves field = draw_waves(draws, 0.4 * wavelength, 1.0 * wavelength, spec.bias / 2);
  std::vector<float> image(painting.tissue.size());
  parallel_for(grid.size[0], [&](Index d) {
    for (Index i = 0; i < plane; ++i) {
      const Index at = d * plane + i;
      const Vec3 x = grid.place(d, i / grid.size[2], i % grid.size[2]);
      image[at] = static_cast<float>(brightness[painting.tissue[at]] + coarse(x));
    }
  });
  for (int axis = 0; axis < 3; ++axis) blur_axis(image, grid.size, axis);  // partial volume at the borders

  std::vector<float> noise(image.size());
  parallel_chunks(static_cast<Index>(noise.size()), 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      noise[i] = static_cast<float>(draw_normal(noise_key, 0, static_cast<std::uint64_t>(i)));
  });
  double left = 1;  // the part of the deviation that the blur leaves: sqrt(1/16 + 1/4 + 1/16) an axis
  for (int axis = 0; axis < 3; ++axis) {
    blur_axis(noise, grid.size, axis);
    if (grid.size[axis] > 1) left *= std::sqrt(0.375);
  }
  parallel_for(grid.size[0], [&](Index d) {
    for (Index i = 0; i < plane; ++i) {
      const Index at = d * plane + i;
      const double gain = std::exp(field(grid.place(d, i / grid.size[2], i % grid.size[2])));
      // An offset, so that the field acts on the background too; then the range of a scanner's integers.
      image[at] = static_cast<float>(100 * gain * (image[at] + 0.5) + 100 * spec.noise / left * noise[at]);
    }
  });
  return image;
}

}  // namespace

PhantomCase make_phantom(std::uint64_t seed, std::uint32_t case_index, const PhantomSpec& spec) {
  check_phantom(spec);
  const Grid grid = draw_grid(PhantomDraws(seed, case_index, kGeometry), spec);
  Painting painting = paint_organs(grid, draw_organs(PhantomDraws(seed, case_index, kOrgans), grid, spec));
  const auto volume = [&](Tissue t) {
    return static_cast<double>(std::count(painting.tissue.begin(), painting.tissue.end(), t));
  };
  const double outer = volume(kOuter), inner = volume(kInner);
  PhantomDraws draws(seed, case_index, kNeighbours);
  paint_neighbours(painting, grid, draws, kLikeInner, spec.neighbours * inner);
  paint_neighbours(painting, grid, draws, kLikeOuter, spec.neighbours * outer);

  PhantomCase result{grid.size, grid.spacing, {}, {}};
  result.image = render(painting, grid, PhantomDraws(seed, case_index, kBrightness),
                        PhantomDraws(seed, case_index, kNoise).key(), spec);
  result.labels.reserve(painting.tissue.size());
  for (const std::uint8_t t : painting.tissue) result.labels.push_back(t == kOuter ? 1 : t == kInner ? 2 : 0);
  return result;
}

}  // namespace duet
