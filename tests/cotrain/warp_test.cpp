// Warped patches against plain definitions: cut_patch, transposed volumes, ramps, balls, a voxel at a time.
#include "cotrain/data/warp.h"

#include <cmath>
#include <doctest/doctest.h>
#include <set>

using namespace duet;

namespace {

struct Cut {
  std::vector<float> image, valid;
  std::vector<std::uint8_t> labels;
};

std::size_t voxels_of(const Triple& size) { return static_cast<std::size_t>(size[0] * size[1] * size[2]); }

// A patch filled with what must not stay.
Cut unwritten(const Triple& patch) {
  const std::size_t n = voxels_of(patch);
  return {std::vector<float>(n, 99.0f), std::vector<float>(n, 99.0f), std::vector<std::uint8_t>(n, 99)};
}

Cut warped(const LoadedCase& from, const Placement& place, const Warp& warp, const Triple& patch) {
  Cut cut = unwritten(patch);
  warp_patch(from, place, warp, patch, cut.image.data(), cut.valid.data(), cut.labels.data());
  return cut;
}

template <class Body>
void each_voxel(const Triple& size, const Body& body) {
  std::size_t v = 0;
  for (Index d = 0; d < size[0]; ++d) {
    for (Index h = 0; h < size[1]; ++h) {
      for (Index w = 0; w < size[2]; ++w) body(Triple{d, h, w}, v++);
    }
  }
}

// A case without padding whose image is value(d, h, w).
template <class Value>
LoadedCase case_of(const Triple& size, const Value& value) {
  LoadedCase from;
  from.frame = {size, {0, 0, 0}, size};
  from.image.resize(voxels_of(size));
  from.labels.resize(voxels_of(size));
  each_voxel(size, [&](const Triple& at, std::size_t v) { from.image[v] = static_cast<float>(value(at)); });
  return from;
}

LoadedCase noisy_case(const PadFrame& frame) {
  LoadedCase from;
  from.frame = frame;
  each_voxel(frame.size, [&](const Triple& at, std::size_t v) {
    bool inside = true;
    for (std::size_t a = 0; a < 3; ++a) {
      inside = inside && at[a] >= frame.offset[a] && at[a] < frame.offset[a] + frame.extent[a];
    }
    const auto i = static_cast<std::uint32_t>(v);
    from.image.push_back(inside ? draw_uniform({}, 0, i) - 0.5f : 0.0f);
    from.labels.push_back(inside ? static_cast<std::uint8_t>(3 * draw_below({}, 1, i, 3)) : std::uint8_t{0});
  });
  return from;
}

// The cubic B-spline whose middle is 0.
double spline(double x) {
  x = std::abs(x);
  if (x >= 2) return 0;
  return x < 1 ? (4 - 6 * x * x + 3 * x * x * x) / 6 : (2 - x) * (2 - x) * (2 - x) / 6;
}

std::array<double, 3> displacement(const DisplacementField& field, const Triple& at) {
  std::array<double, 3> sum{};
  if (field.values.empty()) return sum;
  each_voxel(field.nodes, [&](const Triple& node, std::size_t n) {
    double weight = 1;
    for (std::size_t a = 0; a < 3; ++a) {
      if (field.nodes[a] == 1) continue;
      weight *= spline(static_cast<double>(at[a]) / kFieldCell - static_cast<double>(node[a] - 1));
    }
    for (std::size_t a = field.nodes[0] == 1 ? 1 : 0; a < 3; ++a) sum[a] += weight * field.values[3 * n + a];
  });
  return sum;
}

// warp_patch as its contract reads, a voxel at a time, in double. Where a place is within rounding of the
// edge between two voxels, `certain` is false: labels and valid may be either's.
struct Expected {
  double image = 0;
  bool inside = true, certain = true;
  std::uint8_t label = 0;
};

Expected warp_voxel(const LoadedCase& from, const Placement& place, const Warp& warp, const Triple& patch,
                    const Triple& to) {
  Triple at{}, nearest{}, low{};
  std::array<double, 3> part{};
  for (std::size_t a = 0; a < 3; ++a) at[a] = place.flip[a] ? patch[a] - 1 - to[a] : to[a];
  const auto moved = displacement(warp.field, at);
  Expected found;
  for (std::size_t a = 0; a < 3; ++a) {
    double p = static_cast<double>(place.corner[a]) + static_cast<double>(patch[a] - 1) / 2 + moved[a];
    for (std::size_t b = 0; b < 3; ++b) {
      p += warp.matrix[a][b] * (static_cast<double>(at[b]) - static_cast<double>(patch[b] - 1) / 2);
    }
    p -= static_cast<double>(from.frame.offset[a]);
    const double extent = static_cast<double>(from.frame.extent[a]);
    if (std::abs(p + 0.5 - std::round(p + 0.5)) < 1e-4) found.certain = false;
    found.inside = found.inside && p >= -0.5 && p < extent - 0.5;
    nearest[a] = static_cast<Index>(std::floor(p + 0.5));
    p = std::min(std::max(p, 0.0), extent - 1);
    low[a] = std::min(static_cast<Index>(p), std::max<Index>(0, from.frame.extent[a] - 2));
    part[a] = p - static_cast<double>(low[a]);
  }
  if (!found.inside) return found;
  auto voxel = [&](const Triple& v) {
    const Triple &o = from.frame.offset, &size = from.frame.size;
    return static_cast<std::size_t>(((v[0] + o[0]) * size[1] + v[1] + o[1]) * size[2] + v[2] + o[2]);
  };
  for (Index corner = 0; corner < 8; ++corner) {
    const Triple upper = {corner >> 2, corner >> 1 & 1, corner & 1};
    double weight = 1;
    Triple v = low;
    for (std::size_t a = 0; a < 3; ++a) {
      weight *= upper[a] ? part[a] : 1 - part[a];
      v[a] += upper[a];
    }
    if (weight > 0) found.image += weight * from.image[voxel(v)];
  }
  found.image = found.image * place.factor + place.offset;
  found.label = from.labels[voxel(nearest)];
  return found;
}

}  // namespace

TEST_CASE("the identity gives the bytes of cut_patch, at every corner and flip") {
  const LoadedCase from = noisy_case({{9, 12, 21}, {2, 0, 3}, {5, 12, 14}});
  CHECK(Warp{}.identity());
  Warp still;  // a field of zeros bends nothing
  still.field = draw_field(0.0, {}, 0, {9, 12, 21});
  CHECK_FALSE(still.identity());
  for (const Triple& patch : {Triple{9, 12, 21}, Triple{4, 5, 19}, Triple{2, 3, 1}}) {
    each_voxel({10 - patch[0], 13 - patch[1], 22 - patch[2]}, [&](const Triple& corner, std::size_t n) {
      const Placement place{corner, {(n & 1) != 0, (n & 2) != 0, n % 3 == 0}};
      Cut expected = unwritten(patch);
      cut_patch(from, place, patch, expected.image.data(), expected.valid.data(), expected.labels.data());
      for (const Warp& warp : {Warp{}, still}) {
        const Cut cut = warped(from, place, warp, patch);
        REQUIRE(cut.image == expected.image);
        REQUIRE(cut.valid == expected.valid);
        REQUIRE(cut.labels == expected.labels);
      }
    });
  }
}

TEST_CASE("a quarter turn is the transposed volume, about each axis") {
  for (Index n : {6, 7}) {
    const Triple size = {n, n, n};
    const LoadedCase from = noisy_case({size, {0, 0, 0}, size});
    for (std::size_t axis = 0; axis < 3; ++axis) {
      std::array<double, 3> degrees{};
      degrees[axis] = 90;
      const Cut cut = warped(from, {}, {warp_matrix(degrees, {1, 1, 1}, {1, 1, 1}), {}}, size);
      each_voxel(size, [&](const Triple& at, std::size_t v) {
        Triple source = at;
        source[(axis + 1) % 3] = n - 1 - at[(axis + 2) % 3];
        source[(axis + 2) % 3] = at[(axis + 1) % 3];
        const auto s = static_cast<std::size_t>((source[0] * n + source[1]) * n + source[2]);
        REQUIRE(cut.image[v] == from.image[s]);
        REQUIRE(cut.labels[v] == from.labels[s]);
        REQUIRE(cut.valid[v] == 1);
      });
    }
  }
}

TEST_CASE("magnified twice, a ramp has half its slope; each axis has its own factor") {
  const Triple size = {24, 30, 40}, patch = {10, 12, 16};
  const LoadedCase from =
      case_of(size, [](const Triple& at) { return 100.0 * at[0] + 10.0 * at[1] + at[2]; });
  const Placement place{{7, 9, 12}};
  const std::array<double, 3> factors[] = {{2, 2, 2}, {1, 2, 4}, {0.8, 1, 1.25}};
  for (const auto& factor : factors) {
    const Cut cut = warped(from, place, {warp_matrix({}, factor, {3, 1, 0.5}), {}}, patch);
    each_voxel(patch, [&](const Triple& at, std::size_t v) {
      double expected = 0;
      for (std::size_t a = 0; a < 3; ++a) {
        const double middle = static_cast<double>(patch[a] - 1) / 2;
        expected += (a == 0   ? 100
                     : a == 1 ? 10
                              : 1) *
                    (static_cast<double>(place.corner[a]) + middle +
                     (static_cast<double>(at[a]) - middle) / factor[a]);
      }
      REQUIRE(cut.image[v] == doctest::Approx(expected).epsilon(1e-5));
    });
  }
}

TEST_CASE("a ball in millimetres stays one, whatever the voxels' form") {
  const std::array<double, 3> spacing = {3, 1, 0.7};
  const Triple size = {21, 55, 79}, patch = {13, 39, 53};
  const Placement place{{4, 8, 13}};  // the middle of the patch is that of the case
  auto distance = [&](const Triple& at, const Triple& of) {
    double sum = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      const double x = (static_cast<double>(at[a]) - static_cast<double>(of[a] - 1) / 2) * spacing[a];
      sum += x * x;
    }
    return std::sqrt(sum);
  };
  LoadedCase from = case_of(size, [&](const Triple& at) { return distance(at, size); });
  for (std::size_t v = 0; v < from.image.size(); ++v) from.labels[v] = from.image[v] < 15;
  const double reach = 0.5 * std::hypot(spacing[0], spacing[1], spacing[2]);  // of the nearest voxel
  const std::array<double, 3> turns[] = {{30, 0, 0}, {0, 30, 0}, {0, 0, 30}, {-50, 25, 70}};
  for (const auto& degrees : turns) {
    const Cut cut = warped(from, place, {warp_matrix(degrees, {1, 1, 1}, spacing), {}}, patch);
    each_voxel(patch, [&](const Triple& at, std::size_t v) {
      const double r = distance(at, patch);
      if (r > 27) return;  // near the case's edges
      REQUIRE(cut.valid[v] == 1);
      // A cone between voxels 3 mm apart is off by (1.5 mm)^2 / 2 r at most, above it.
      REQUIRE(cut.image[v] >= r - 1e-3);
      REQUIRE(cut.image[v] <= r + std::min(2.0, 1.8 / std::max(r - reach, 0.1)) + 1e-3);
      if (std::abs(r - 15) > reach) REQUIRE(cut.labels[v] == (r < 15 ? 1 : 0));
    });
  }
  // Turned in voxels instead, the same ball would be far off.
  const Cut sheared = warped(from, place, {warp_matrix({0, 30, 0}, {1, 1, 1}, {1, 1, 1}), {}}, patch);
  double furthest = 0;
  each_voxel(patch, [&](const Triple& at, std::size_t v) {
    if (sheared.valid[v] > 0) furthest = std::max(furthest, std::abs(sheared.image[v] - distance(at, patch)));
  });
  CHECK(furthest > 5);
}

TEST_CASE("warped patches hold what a voxel at a time gives: padding, flips, fields, slices") {
  const PadFrame frames[] = {{{14, 24, 40}, {2, 0, 5}, {9, 24, 30}}, {{1, 30, 50}, {0, 3, 0}, {1, 20, 50}}};
  for (const PadFrame& frame : frames) {
    const LoadedCase from = noisy_case(frame);
    const Triple patch = {std::min<Index>(10, frame.size[0]), 20, 37};
    Index outside = 0;
    for (std::uint32_t draw = 0; draw < 12; ++draw) {
      AugmentConfig config;
      config.rotate = 60;
      config.scale = 0.5;
      config.stretch = 0.2;
      config.elastic = draw % 3;
      const Warp warp = draw_warp(config, 1, draw, 0, patch, {2, 1, 1.5});
      const Placement place{{frame.size[0] - patch[0], draw % 5, draw % 4},
                            {(draw & 1) != 0, (draw & 2) != 0, (draw & 4) != 0},
                            1.1f,
                            -0.3f};
      const Cut cut = warped(from, place, warp, patch);
      Cut unlabelled = unwritten(patch);
      warp_patch(from, place, warp, patch, unlabelled.image.data(), unlabelled.valid.data(), nullptr);
      CHECK(unlabelled.image == cut.image);
      CHECK(unlabelled.valid == cut.valid);
      each_voxel(patch, [&](const Triple& to, std::size_t v) {
        const Expected expected = warp_voxel(from, place, warp, patch, to);
        outside += !expected.inside;
        if (cut.valid[v] == 0) {
          REQUIRE(cut.image[v] == 0);
          REQUIRE(cut.labels[v] == 0);
        }
        if (!expected.certain) return;
        REQUIRE(cut.valid[v] == (expected.inside ? 1.0f : 0.0f));
        REQUIRE(cut.labels[v] == expected.label);
        REQUIRE(std::abs(cut.image[v] - expected.image) < 1e-4);
      });
      const std::set<int> classes(cut.labels.begin(), cut.labels.end());
      CHECK(classes == std::set<int>{0, 3, 6});  // nothing between them
    }
    CHECK(outside > 1000);
  }
}
