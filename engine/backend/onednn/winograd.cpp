#include "engine/backend/onednn/winograd.h"

#include <vector>

#include "engine/backend/onednn/winograd_units.h"
#include "engine/core/parallel.h"
#include "engine/memory/scratch.h"

namespace duet::onednn::winograd {
namespace {

constexpr Index kLanes = 8;  // channels at once in the transforms

// The inputs of a tile: at the edges of an image a copy with zeros outside, else where they are.
struct InputTile {
  const float* row[kInputH];  // of column 0
};

InputTile input_tile(const float* image, const Shape& s, Index h, Index w, float* patch) {
  InputTile tile;
  const Index first = std::max<Index>(0, -w), last = std::min(kInputW, s.w - w);
  const bool inside = h >= 0 && h + kInputH <= s.h && first == 0 && last == kInputW;
  for (Index i = 0; i < kInputH; ++i) {
    const float* row = image + ((h + i) * s.w + w) * s.c;
    tile.row[i] = row;
    if (inside) continue;
    float* copy = patch + i * kInputW * s.c;
    std::fill_n(copy, kInputW * s.c, 0.0F);
    if (h + i >= 0 && h + i < s.h) std::copy(row + first * s.c, row + last * s.c, copy + first * s.c);
    tile.row[i] = copy;
  }
  return tile;
}

// Of sample n.
template <class V>
void gather(const Units& units, const Unit& unit, Index n, const float* x, float* to) {
  const Shape& s = units.x;
  const Index planes = unit.depth + units.spec.kernel[0] - 1, stride = tile_stride(s.c);
  std::vector<float> patch(static_cast<std::size_t>(kPoints * s.c));
  for (Index plane = 0; plane < planes; ++plane) {
    const Index d = unit.d - units.spec.padding[0] + plane;
    if (d < 0 || d >= s.d) {
      std::fill_n(to, units.tiles(unit) * stride, 0.0F);
      to += units.tiles(unit) * stride;
      continue;
    }
    const float* image = x + (n * s.d + d) * s.h * s.w * s.c;
    for (Index th = unit.h; th < unit.h + unit.height; ++th) {
      for (Index tw = 0; tw < units.tiles_w; ++tw, to += stride) {
        const InputTile tile = input_tile(image, s, th * kTileH - 1, tw * kTileW - 1, patch.data());
        for (Index c = 0; c < s.c; c += kLanesOf<V>) {
          transform_input([&](Index i, Index j) { return load_as<V>(tile.row[i] + j * s.c + c); },
                          [&](Index point, V u) { store(to + point * s.c + c, u); });
        }
      }
    }
  }
}

// Products of rows [begin, end) of each of a unit's samples, [sample][row][point][channel] with units.rows()
// rows a sample.
template <Index kChannels>
void multiply(const Units& units, const Unit& unit, const float* inputs, const float* weights, Index begin,
              Index end, float* products) {
  const Index ci = units.x.c, co = units.y.c, planes = units.spec.kernel[0], width = panel_width(co);
  const Index in_stride = tile_stride(ci), out_stride = tile_stride(co);
  for (Index point = 0; point < kPoints; ++point) {
    for (Index panel = 0; panel < co; panel += width, weights += planes * ci * width) {
      for (Index n = 0; n < unit.samples; ++n) {
        const float* from = inputs + n * units.input_size() + point * ci;
        float* to = products + n * units.rows() * out_stride + point * co + panel;
        for (Index r = begin; r < end; r += kRows) {
          multiply_block<kChannels>({from + r * in_stride, ci, units.tiles(unit), planes}, width, weights,
                                    to + (r - begin) * out_stride, out_stride);
        }
      }
    }
  }
}

template <class V>
void scatter(const Units& units, const Unit& unit, const float* products, const float* bias, Accum accum,
             Index n, Index begin, Index end, float* y) {
  const Shape& s = units.y;
  for (Index row = begin; row < end; ++row, products += tile_stride(s.c)) {
    const Index tw = row % units.tiles_w, th = row / units.tiles_w % unit.height;
    const Index d = unit.d + row / units.tiles(unit), h = (unit.h + th) * kTileH, w = tw * kTileW;
    const Index last_h = std::min(kTileH, s.h - h), last_w = std::min(kTileW, s.w - w);
    float* corner = y + (((n * s.d + d) * s.h + h) * s.w + w) * s.c;
    for (Index c = 0; c < s.c; c += kLanesOf<V>) {
      const V b = bias ? load_as<V>(bias + c) : V{};
      transform_output([&](Index point) { return load_as<V>(products + point * s.c + c); },
                       [&](Index i, Index j, V value) {
                         if (i >= last_h || j >= last_w) return;
                         float* to = corner + (i * s.w + j) * s.c + c;
                         value += b;
                         if (accum == Accum::add) value += load_as<V>(to);
                         store(to, value);
                       });
    }
  }
}

// Rows of a unit whose products are made before they are scattered: few stay in the first cache; where the
// weights do not fit the second one, all of them.
Index rows_at_once(const Units& units) {
  constexpr Index kMost = 1024;  // Ci Co
  return units.x.c * units.y.c <= kMost && units.samples == 1 ? 2 * kRows : units.rows();
}

Index product_size(const Units& units) {
  return units.samples * std::min(rows_at_once(units), units.rows()) * tile_stride(units.y.c);
}

template <Index kChannels>
void multiply_unit(const Units& units, const Unit& unit, const float* inputs, const float* weights,
                   const float* bias, float* y, Accum accum, float* products) {
  const Index rows = unit.depth * units.tiles(unit), at_once = rows_at_once(units);
  for (Index begin = 0; begin < rows; begin += at_once) {
    const Index end = std::min(rows, begin + at_once);
    multiply<kChannels>(units, unit, inputs, weights, begin, end, products);
    for (Index n = 0; n < unit.samples; ++n) {
      const float* of_sample = products + n * units.rows() * tile_stride(units.y.c);
      if (units.y.c % kVector == 0) {
        scatter<Floats>(units, unit, of_sample, bias, accum, unit.n + n, begin, end, y);
      } else {
        scatter<Eight>(units, unit, of_sample, bias, accum, unit.n + n, begin, end, y);
      }
    }
  }
}

void run(const Units& units, const Unit& unit, const float* x, const float* weights, const float* bias,
         float* y, Accum accum, float* inputs, float* products) {
  gather_inputs(units, unit, x, inputs);
  const auto multiplied = [&]<Index kChannels>() {
    multiply_unit<kChannels>(units, unit, inputs, weights, bias, y, accum, products);
  };
  switch (units.x.c) {
    case 8:
      return multiplied.template operator()<8>();
    case 16:
      return multiplied.template operator()<16>();
    case 32:
      return multiplied.template operator()<32>();
    case 64:
      return multiplied.template operator()<64>();
    default:
      return multiplied.template operator()<0>();
  }
}

}  // namespace

void gather_inputs(const Units& units, const Unit& unit, const float* x, float* to) {
  for (Index n = 0; n < unit.samples; ++n, to += units.input_size()) {
    if (units.x.c % kVector == 0) {
      gather<Floats>(units, unit, unit.n + n, x, to);
    } else {
      gather<Eight>(units, unit, unit.n + n, x, to);
    }
  }
}

bool fits(const Conv3dSpec& spec, const Shape& x, const Shape& w) {
  constexpr Index kLeastRows = 96;  // below them the weights' transform is not worth it
  constexpr Index kMostWeights =
      128 * 128 * 3;                 // beyond them the transformed ones come from memory each time
  constexpr double kLeastUse = 0.6;  // of the tiles' outputs
  if (spec.kernel[1] != 3 || spec.kernel[2] != 3 || spec.padding[1] != 1 || spec.padding[2] != 1)
    return false;
  if (spec.stride != Triple{1, 1, 1} || x.c % kLanes != 0 || w.n % kLanes != 0) return false;
  const Index tiles = tiles_of_plane(x), depth = x.d + 2 * spec.padding[0] - spec.kernel[0] + 1;
  return w.n * x.c * spec.kernel[0] <= kMostWeights && x.n * depth * tiles >= kLeastRows &&
         static_cast<double>(x.h * x.w) >= kLeastUse * static_cast<double>(tiles * kTileH * kTileW);
}

Index transformed_size(const Shape& w) { return kPoints * w.n * w.d * w.c; }

void transform_weights(ConstView w, float* to) {
  const Index co = w.shape.n, planes = w.shape.d, ci = w.shape.c, width = panel_width(co);
  parallel_for(co / kLanes * planes, [&](Index i) {
    const Index k = i % planes, o = i / planes * kLanes;
    for (Index c = 0; c < ci; c += kLanes) {
      float turned[kPoints][kLanes][kLanes];  // [point][ci][co]
      for (Index lane = 0; lane < kLanes; ++lane) {
        const float* from = w.as<float>() + ((o + lane) * planes + k) * 9 * ci + c;
        transform_kernel([&](Index h, Index j) { return load_as<Eight>(from + (h * 3 + j) * ci); },
                         [&](Index point, Eight value) {
                           for (Index each = 0; each < kLanes; ++each)
                             turned[point][each][lane] = value[each];
                         });
      }
      float* at = to + ((o / width * planes + k) * ci + c) * width + o % width;
      for (Index point = 0; point < kPoints; ++point, at += co * planes * ci) {
        for (Index each = 0; each < kLanes; ++each)
          std::copy_n(turned[point][each], kLanes, at + each * width);
      }
    }
  });
}

// Outputs are w's input channels here, which lie together: no turning of blocks.
void transform_flipped(ConstView w, float* to) {
  const Index ci = w.shape.n, planes = w.shape.d, co = w.shape.c, width = panel_width(co);
  parallel_for(co / kLanes * planes, [&](Index task) {
    const Index k = task % planes, o = task / planes * kLanes;
    float* at = to + (o / width * planes + k) * ci * width + o % width;
    for (Index i = 0; i < ci; ++i, at += width) {
      const float* from = w.as<float>() + ((i * planes + planes - 1 - k) * 9) * co + o;
      transform_kernel([&](Index h, Index j) { return load_as<Eight>(from + (8 - (h * 3 + j)) * co); },
                       [&](Index point, Eight value) { store(at + point * co * planes * ci, value); });
    }
  });
}

void forward(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
             const float* weights, ConstView b, View y, Accum accum) {
  const Units units(spec, x.shape, y.shape);
  const Index count = units.count(), of_task = (count + max_threads() - 1) / max_threads();
  const Index tasks = (count + of_task - 1) / of_task;
  const Index inputs_size = units.samples * units.input_size(), size = inputs_size + product_size(units);
  const Scratch scratch(memory, static_cast<std::size_t>(tasks * size) * sizeof(float), "conv3d tiles");
  const float* bias = b ? b.as<float>() : nullptr;
  parallel_chunks(count, of_task, [&](Index begin, Index end) {
    float* inputs = static_cast<float*>(scratch.data()) + begin / of_task * size;
    float* products = inputs + inputs_size;
    std::fill_n(inputs, inputs_size, 0.0F);
    for (Index i = begin; i < end; ++i) {
      run(units, units.unit(i), x.as<float>(), weights, bias, y.as<float>(), accum, inputs, products);
    }
  });
}

}  // namespace duet::onednn::winograd
