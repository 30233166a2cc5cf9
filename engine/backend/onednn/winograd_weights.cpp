#include <array>

#include "engine/backend/onednn/winograd.h"
#include "engine/backend/onednn/winograd_units.h"
#include "engine/core/parallel.h"
#include "engine/memory/scratch.h"

namespace duet::onednn::winograd {
namespace {

constexpr Index kLanes = 8;
constexpr Index kMostTasks = 8;       // each has sums of its own,
constexpr Index kMostSums = 4 << 20;  // floats of all of them,
constexpr Index kRowsOfTask = 128;    // and rows enough to be worth them
constexpr Index kShareOf = 2048;      // Ci Co that pay for gathering a unit once more (below)

// Points [begin, end).
struct Points {
  Index begin, end;
};

// Gradients of the products of a unit's sample n from those of its outputs: [row][point][channel]. Outputs
// beyond H and W have none.
template <class V>
void gather_gradients(const Units& units, const Unit& unit, Index n, const float* dy, float* to) {
  const Shape& s = units.y;
  for (Index d = unit.d; d < unit.d + unit.depth; ++d) {
    for (Index th = unit.h; th < unit.h + unit.height; ++th) {
      for (Index tw = 0; tw < units.tiles_w; ++tw, to += tile_stride(s.c)) {
        const Index h = th * kTileH, w = tw * kTileW;
        const Index last_h = std::min(kTileH, s.h - h), last_w = std::min(kTileW, s.w - w);
        const float* corner = dy + (((n * s.d + d) * s.h + h) * s.w + w) * s.c;
        const bool whole = last_h == kTileH && last_w == kTileW;
        for (Index c = 0; c < s.c; c += kLanesOf<V>) {
          auto put = [&](Index point, V e) { store(to + point * s.c + c, e); };
          auto within = [&](Index i, Index j) { return load_as<V>(corner + (i * s.w + j) * s.c + c); };
          if (whole) {
            transform_gradient(within, put);
          } else {
            transform_gradient(
                [&](Index i, Index j) { return i < last_h && j < last_w ? within(i, j) : V{}; }, put);
          }
        }
      }
    }
  }
}

// What a block of products is made of: inputs of plane k begin k * plane floats further on, and its sums
// k * sums_plane.
struct Block {
  const float *inputs, *gradients;
  Index rows, in_stride, out_stride, plane, sums_plane, outputs;
};

// sums[k][i][0..kVectors * |V|) += sum over rows of inputs[k][row][i] * gradients[row][...], of kPlanes
// planes and kCount input channels: 12 sums where there are three planes, 24 in registers of 16 floats, of
// which there are twice as many.
template <class V, Index kPlanes, Index kCount, Index kVectors>
void add_products(const Block& b, float* sums) {
  V s[kPlanes][kCount][kVectors] = {};
  const float *inputs = b.inputs, *gradients = b.gradients;
  for (Index r = 0; r < b.rows; ++r, inputs += b.in_stride, gradients += b.out_stride) {
    V g[kVectors];
#pragma GCC unroll 2
    for (Index v = 0; v < kVectors; ++v) g[v] = load_as<V>(gradients + v * kLanesOf<V>);
#pragma GCC unroll 3
    for (Index k = 0; k < kPlanes; ++k) {
#pragma GCC unroll 8
      for (Index i = 0; i < kCount; ++i) {
        const float factor = inputs[k * b.plane + i];
#pragma GCC unroll 2
        for (Index v = 0; v < kVectors; ++v) s[k][i][v] += factor * g[v];
      }
    }
  }
#pragma GCC unroll 3
  for (Index k = 0; k < kPlanes; ++k) {
#pragma GCC unroll 8
    for (Index i = 0; i < kCount; ++i) {
#pragma GCC unroll 2
      for (Index v = 0; v < kVectors; ++v) {
        float* to = sums + k * b.sums_plane + i * b.outputs + v * kLanesOf<V>;
        store(to, load_as<V>(to) + s[k][i][v]);
      }
    }
  }
}

template <class V, Index kPlanes, Index kCount, Index kVectors>
void add_channels(Block block, Index ci, float* sums) {
  const float *inputs = block.inputs, *gradients = block.gradients;
  for (Index o = 0; o < block.outputs; o += kVectors * kLanesOf<V>) {
    block.gradients = gradients + o;
    for (Index i = 0; i < ci; i += kCount) {
      block.inputs = inputs + i;
      add_products<V, kPlanes, kCount, kVectors>(block, sums + i * block.outputs + o);
    }
  }
}

template <Index kPlanes>
void add_planes(const Block& block, Index ci, float* sums) {
  if (block.outputs % 16 != 0)
    return add_channels < Eight, kPlanes, kPlanes == 3 ? 4 : 8, 1 > (block, ci, sums);
  if (kVector == 16) return add_channels<Floats, kPlanes, 8, 1>(block, ci, sums);
  add_channels<Eight, kPlanes, kPlanes == 3 ? 2 : 4, 2>(block, ci, sums);
}

// Of the rows of one sample: sums [point][plane][Ci][Co].
void add_sample(const Units& units, const Unit& unit, const Points& points, const float* inputs,
                const float* gradients, float* sums) {
  const Index ci = units.x.c, co = units.y.c, planes = units.spec.kernel[0], tiles = units.tiles(unit);
  const Index at_once = planes == 3 ? 3 : 1;
  Block block{
      inputs,  gradients, unit.depth * tiles, tile_stride(ci), tile_stride(co), tiles * tile_stride(ci),
      ci * co, co};
  sums += points.begin * planes * ci * co;
  for (Index point = points.begin; point < points.end; ++point) {
    block.gradients = gradients + point * co;
    for (Index plane = 0; plane < planes; plane += at_once, sums += at_once * ci * co) {
      block.inputs = inputs + plane * block.plane + point * ci;
      at_once == 3 ? add_planes<3>(block, ci, sums) : add_planes<1>(block, ci, sums);
    }
  }
}

void add_unit(const Units& units, const Unit& unit, const Points& points, const float* x, const float* dy,
              float* inputs, float* gradients, float* sums) {
  gather_inputs(units, unit, x, inputs);
  for (Index n = 0; n < unit.samples; ++n) {
    if (units.y.c % kVector == 0) {
      gather_gradients<Floats>(units, unit, unit.n + n, dy, gradients);
    } else {
      gather_gradients<Eight>(units, unit, unit.n + n, dy, gradients);
    }
    add_sample(units, unit, points, inputs + n * units.input_size(), gradients, sums);
  }
}

// dw of one kernel plane, one input and eight output channels from the tasks' sums, added in the tasks'
// order.
void finish(const Units& units, const float* parts, Index tasks, Index plane, Index c, Index o, Accum accum,
            float* dw) {
  const Index ci = units.x.c, co = units.y.c, planes = units.spec.kernel[0];
  const Index size = kPoints * planes * ci * co;
  std::array<Eight, 3> rows[kInputH];
  for (Index a = 0; a < kInputH; ++a) {
    Six<Eight> s;
    for (Index j = 0; j < kInputW; ++j) {
      const float* at = parts + (((a * kInputW + j) * planes + plane) * ci + c) * co + o;
      Eight total = load_as<Eight>(at);
      for (Index task = 1; task < tasks; ++task) total += load_as<Eight>(at + task * size);
      s[static_cast<std::size_t>(j)] = total;
    }
    rows[a] = kernel_gradient_row(s);
  }
  for (std::size_t j = 0; j < 3; ++j) {
    const auto column = kernel_gradient_column<Eight>({rows[0][j], rows[1][j], rows[2][j], rows[3][j]});
    for (std::size_t i = 0; i < 3; ++i) {
      float* to = dw + (o * planes + plane) * 9 * ci + static_cast<Index>(i * 3 + j) * ci + c;
      for (Index lane = 0; lane < kLanes; ++lane, to += planes * 9 * ci)
        *to = accum == Accum::add ? *to + column[i][lane] : column[i][lane];
    }
  }
}

Index tasks_of(const Shape& y, Index sums) {
  const Index most = std::clamp<Index>(kMostSums / sums, 1, kMostTasks);
  return std::clamp<Index>(y.n * y.d * tiles_of_plane(y) / kRowsOfTask, 1, most);
}

// Of the points of a task, each of which gathers the units anew: threads share few tasks so, and what is
// gathered is little beside the products of many channels.
Index shares_of(Index tasks, Index ci, Index co) {
  return std::clamp<Index>(ci * co / kShareOf, 1, std::max<Index>(1, kMostTasks / tasks));
}

}  // namespace

bool fits_gradient(const Conv3dSpec& spec, const Shape& x, const Shape& w) {
  constexpr Index kLeastChannels = 16;
  return fits(spec, x, w) && std::min(x.c, w.n) >= kLeastChannels;
}

void weights_gradient(const std::shared_ptr<Allocator>& memory, const Conv3dSpec& spec, ConstView x,
                      ConstView dy, View dw, Accum accum) {
  const Units units(spec, x.shape, dy.shape);
  const Index sums_size = transformed_size(dw.shape), most = tasks_of(dy.shape, sums_size);
  const Index count = units.count(), of_task = (count + most - 1) / most;
  const Index tasks = (count + of_task - 1) / of_task;
  const Index inputs_size = units.samples * units.input_size();
  const Index gradients_size = units.rows() * tile_stride(dy.shape.c), buffers = inputs_size + gradients_size;
  const Scratch sums(memory, static_cast<std::size_t>(tasks * sums_size) * sizeof(float),
                     "conv3d weight gradient");
  const Index planes = spec.kernel[0], ci = x.shape.c, co = dy.shape.c, shares = shares_of(tasks, ci, co);
  const Scratch scratch(memory, static_cast<std::size_t>(tasks * shares * buffers) * sizeof(float),
                        "conv3d tiles");
  parallel_for(tasks * shares, [&](Index i) {
    const Index task = i / shares, share = i % shares, of_point = planes * ci * co;
    const Points points{share * kPoints / shares, (share + 1) * kPoints / shares};
    float* inputs = static_cast<float*>(scratch.data()) + i * buffers;
    float* of_task_sums = static_cast<float*>(sums.data()) + task * sums_size;
    std::fill(of_task_sums + points.begin * of_point, of_task_sums + points.end * of_point, 0.0F);
    for (Index each = task * of_task; each < std::min(count, (task + 1) * of_task); ++each) {
      add_unit(units, units.unit(each), points, x.as<float>(), dy.as<float>(), inputs, inputs + inputs_size,
               of_task_sums);
    }
  });
  parallel_for(planes * (co / kLanes), [&](Index i) {
    for (Index c = 0; c < ci; ++c) {
      finish(units, static_cast<const float*>(sums.data()), tasks, i % planes, c, i / planes * kLanes, accum,
             dw.as<float>());
    }
  });
}

}  // namespace duet::onednn::winograd
