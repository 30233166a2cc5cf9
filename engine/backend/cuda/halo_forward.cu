// y = x * w and dx = dy * (w mirrored, channels swapped): a block of 8 warps makes 16 channels of a tile of
// 4 x 4 x 16 voxels, a warp two runs of 16 voxels along W, over the taps and 16 channels of the input at a
// time.
#include "engine/backend/cuda/halo.h"
#include "engine/backend/cuda/halo_tiles.h"
#include "engine/backend/cuda/launch.h"
#include "engine/backend/cuda/tensor_core.h"

namespace duet::cuda {
namespace {

using Input = Box<4, 4, 16, 1>;
constexpr int kWeightRows = kWindow * kRowChannels;
// Blocks that share out the tiles where weights stay for all of them.
constexpr Index kBlocksOfWeights = 1056;

// Where the weight of (output channel, tap, input channel) lies.
struct WeightPlaces {
  Index origin, output, tap, input;
  DUET_HOST_DEVICE Index operator()(Index o, Index t, Index i) const {
    return origin + o * output + t * tap + i * input;
  }
};

template <class T>
struct HaloProducts {
  const T* x;
  const float *w, *bias;  // bias may be null
  T* y;
  int inputs, outputs;  // channels
  TileGrid grid;
  WeightPlaces places;
  Accum accum;

  DUET_HOST_DEVICE void put(Index voxel, int channel, float value) const {
    const Index at = voxel * outputs + channel;
    if (bias) value += bias[channel];
    store_one(y, at, value, accum);
  }
};

#ifdef __CUDACC__
// 16 outputs from `output` on by 16 inputs from `input` on: rows (tap, output).
template <class T>
__device__ void fill_weights(Chunk* to, const HaloProducts<T>& p, int output, int input) {
  for (int item = threadIdx.x; item < kWeightRows * 2; item += blockDim.x) {
    // Threads next to each other read what lies next to each other: inputs of one tap, or outputs.
    const bool by_input = p.places.input == 1;
    const int chunk = by_input ? item % 2 : item / kWeightRows, in = input + chunk * kChunk;
    const int tap = by_input ? item / 2 % kWindow : item % kWeightRows / kRowChannels;
    const int out = by_input ? item / (2 * kWindow) : item % kRowChannels;
    const int row = tap * kRowChannels + out;
    const float* from = p.w + p.places(output + out, tap, in);
    Pack<float, kChunk> read;
    if (by_input) {
      read = chunk_at(from, true);
    } else {
      DUET_UNROLL
      for (int j = 0; j < kChunk; ++j) read.v[j] = from[j * p.places.input];
    }
    Pack<T, kChunk> values;
    DUET_UNROLL
    for (int j = 0; j < kChunk; ++j) values.v[j] = T(read.v[j]);
    const auto planes = planes_of(values);
    DUET_UNROLL
    for (int k = 0; k < kPlanes<T>; ++k) to[k * kWeightRows * 2 + slot(row, chunk)] = planes.plane[k];
  }
}

// sums[m][o] += the taps of one kd: runs m of 16 voxels, output channels 8 o to 8 o + 7.
template <int Planes>
__device__ void add_taps(FragmentC (&sums)[2][2], const Chunk* x, const Chunk* w, int kd, int depth,
                         int height) {
  const int lane = threadIdx.x % 32, part = lane >> 3, row = lane & 7;
  for (int kh = 0; kh < 3; ++kh) {
    DUET_UNROLL
    for (int kw = 0; kw < 3; ++kw) {
      FragmentA a[2][Planes];
      FragmentB b[2][Planes];
      DUET_UNROLL
      for (int p = 0; p < Planes; ++p) {
        const int tap = (kd * 3 + kh) * 3 + kw;
        const int from = slot(tap * kRowChannels + (part >> 1) * 8 + row, part & 1);
        std::uint32_t both[4];
        load_matrices<false>(both, w + p * kWeightRows * 2 + from);
        b[0][p] = {{both[0], both[1]}};
        b[1][p] = {{both[2], both[3]}};
        DUET_UNROLL
        for (int m = 0; m < 2; ++m) {
          const int voxel =
              ((depth + kd) * Input::kH + height + m + kh) * Input::kW + kw + (part & 1) * 8 + row;
          load_matrices<false>(a[m][p].v, x + p * Input::kRows * 2 + slot(voxel, part >> 1));
        }
      }
      DUET_UNROLL
      for (int i = 0; i < plane_products(Planes); ++i) {
        const PlaneProduct product = plane_product(Planes, i);
        DUET_UNROLL
        for (int m = 0; m < 2; ++m) {
          DUET_UNROLL
          for (int o = 0; o < 2; ++o) multiply_add(sums[m][o], a[m][product.a], b[o][product.b]);
        }
      }
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2) halo_products(const __grid_constant__ HaloProducts<T> p) {
  constexpr int kP = kPlanes<T>;
  auto* x = block_memory<Chunk>();
  Chunk* w = x + kP * Input::kRows * 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int depth = warp / 2, height = warp % 2 * 2;  // of the warp's first run
  const int output = blockIdx.y * kRowChannels;
  for (Index tile = blockIdx.x; tile < p.grid.tiles; tile += gridDim.x) {
    const Corner at = p.grid.corner(tile);
    FragmentC sums[2][2] = {};
    for (int input = 0; input < p.inputs; input += kRowChannels) {
      __syncthreads();
      if (p.inputs > kRowChannels || tile == blockIdx.x) fill_weights(w, p, output, input);
      fill_box<Input>(x, p.x, p.inputs, input, p.grid, at);
      __syncthreads();
      for (int kd = 0; kd < 3; ++kd) {
        if constexpr (kP == 1) {
          add_taps<kP>(sums, x, w, kd, depth, height);
        } else {  // short chains on tensor cores, which cut off what does not fit; the rest is rounded
          FragmentC part[2][2] = {};
          add_taps<kP>(part, x, w, kd, depth, height);
          DUET_UNROLL
          for (int i = 0; i < 16; ++i) sums[i / 8][i / 4 % 2].v[i % 4] += part[i / 8][i / 4 % 2].v[i % 4];
        }
      }
    }
    DUET_UNROLL
    for (int i = 0; i < 16; ++i) {
      const int m = i / 8, o = i / 4 % 2, v = i % 4;
      const int d = at.d + depth, h = at.h + height + m, ww = at.w + lane / 4 + v / 2 * 8;
      if (!p.grid.inside(d, h, ww)) continue;
      p.put(p.grid.voxel(at.n, d, h, ww), output + o * 8 + lane % 4 * 2 + v % 2, sums[m][o].v[v]);
    }
  }
}
#endif

// A tile's 16 outputs from `output` on, as a block makes them.
template <class T>
void make_on_host(const HaloProducts<T>& p, Index tile, int output) {
  const TileGrid& g = p.grid;
  const Corner at = g.corner(tile);
  for (int i = 0; i < g.tile_d * g.tile_h * g.tile_w * kRowChannels; ++i) {
    const int channel = output + i % kRowChannels;
    const auto [n, d, h, w] = g.voxel_of(at, i / kRowChannels);
    if (!g.inside(d, h, w)) continue;
    double sum = 0;
    for (int tap = 0; tap < kWindow; ++tap) {
      const int z = d + tap / 9 - 1, y = h + tap / 3 % 3 - 1, x = w + tap % 3 - 1;
      if (!g.inside(z, y, x)) continue;
      const T* from = p.x + g.voxel(n, z, y, x) * p.inputs;
      for (int k = 0; k < p.inputs; ++k) {
        const T weight = T(p.w[p.places(channel, tap, k)]);
        sum += static_cast<double>(static_cast<float>(from[k])) *
               static_cast<double>(static_cast<float>(weight));
      }
    }
    p.put(g.voxel(n, d, h, w), channel, static_cast<float>(sum));
  }
}

template <class T>
constexpr std::size_t shared_bytes() {
  return static_cast<std::size_t>(kPlanes<T> * (Input::kRows + kWeightRows) * 2) * sizeof(Chunk);
}

template <class T>
void halo_products_on_host(Arguments arguments) {
  const auto& p = argument<HaloProducts<T>>(arguments[0]);
  const Index across = p.outputs / kRowChannels;
  parallel_for(p.grid.tiles * across,
               [&](Index i) { make_on_host(p, i / across, static_cast<int>(i % across) * kRowChannels); });
}

template <class T>
void run(Driver& driver, const char* name, const HaloProducts<T>& p) {
  const Index across = p.outputs / kRowChannels;
  const Index blocks = p.inputs == kRowChannels ? std::min(p.grid.tiles, kBlocksOfWeights)
                                                : std::min(p.grid.tiles, kMostBlocks);
  Launch launch{name, {}, p.grid.tiles * across};
  launch.geometry = {static_cast<std::uint32_t>(blocks), static_cast<std::uint32_t>(across), 1, kThreads,
                     shared_bytes<T>()};
  const void* device = nullptr;
#ifdef __CUDACC__
  device = reinterpret_cast<const void*>(&halo_products<T>);
#endif
  launch_kernel(driver, launch, device, halo_products_on_host<T>, p);
}

}  // namespace

bool fits_halo(const Problem& p, DType activations) {
  const bool same = p.spec.kernel == Triple{3, 3, 3} && p.spec.stride == Triple{1, 1, 1} &&
                    p.spec.padding == Triple{1, 1, 1};
  return (activations == DType::f32 || activations == DType::bf16) && same && p.x.c % kRowChannels == 0 &&
         p.y.c % kRowChannels == 0;
}

std::size_t halo_shared_bytes(DType activations) {
  return activations == DType::bf16 ? shared_bytes<bf16>() : shared_bytes<float>();
}

void halo_forward(const Room& room, const Problem& p, ConstView x, ConstView w, ConstView b, View y,
                  Accum accum) {
  with_planes(x.dtype, [&](auto type) {
    using T = decltype(type);
    const Index ci = p.x.c;
    run(*room.driver, "conv3d of tiles",
        HaloProducts<T>{x.as<T>(),
                        w.as<float>(),
                        b ? b.as<float>() : nullptr,
                        y.as<T>(),
                        static_cast<int>(ci),
                        static_cast<int>(p.y.c),
                        TileGrid(p.y, 4, 4, 16),
                        {0, kWindow * ci, ci, 1},
                        accum});
  });
}

void halo_data(const Room& room, const Problem& p, ConstView dy, ConstView w, View dx, Accum accum) {
  with_planes(dy.dtype, [&](auto type) {
    using T = decltype(type);
    const Index ci = p.x.c;
    run(*room.driver, "conv3d data gradient of tiles",
        HaloProducts<T>{dy.as<T>(),
                        w.as<float>(),
                        nullptr,
                        dx.as<T>(),
                        static_cast<int>(p.y.c),
                        static_cast<int>(ci),
                        TileGrid(p.x, 4, 4, 16),
                        {(kWindow - 1) * ci, 1, -ci, kWindow * ci},
                        accum});
  });
}

}  // namespace duet::cuda
