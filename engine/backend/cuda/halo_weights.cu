// dw: a block of 9 warps sums 16 output by 16 input channels over a share of the tiles of 4 x 4 x 8 voxels,
// each warp the three taps along W of one (kd, kh); the shares are then added up in double.
#include "engine/backend/cuda/columns.h"
#include "engine/backend/cuda/halo.h"
#include "engine/backend/cuda/halo_tiles.h"
#include "engine/backend/cuda/tensor_core.h"

namespace duet::cuda {
namespace {

using Input = Box<4, 4, 8, 1>;
using Gradient = Box<4, 4, 8, 0>;
constexpr int kWarps = 9;
constexpr Index kBlocks = 528;  // that share out the tiles; depends on no card, so that sums do not

template <class T>
struct HaloSums {
  const T *x, *dy;
  float* partial;       // (shares, Co, 27, Ci)
  int inputs, outputs;  // channels
  TileGrid grid;
  Index shares;
  int output_blocks;
  int across() const { return output_blocks * (inputs / kRowChannels); }  // blocks of channels
  DUET_HOST_DEVICE Index place(Index share, int output, int tap, int input) const {
    return ((share * outputs + output) * kWindow + tap) * inputs + input;
  }
};

#ifdef __CUDACC__
// sums[kw][i] += one tile: 16 output channels by input channels 8 i to 8 i + 7.
template <int Planes>
__device__ void add_tile(FragmentC (&sums)[3][2], const Chunk* x, const Chunk* dy, int kd, int kh) {
  const int lane = threadIdx.x % 32, part = lane >> 3, row = lane & 7;
  for (int step = 0; step < Gradient::kRows / 16; ++step) {  // two runs of 8 voxels along W
    FragmentA a[Planes];
    DUET_UNROLL
    for (int p = 0; p < Planes; ++p) {
      const int voxel = step * 16 + (part >> 1) * 8 + row;
      load_matrices<true>(a[p].v, dy + p * Gradient::kRows * 2 + slot(voxel, part & 1));
    }
    DUET_UNROLL
    for (int kw = 0; kw < 3; ++kw) {
      FragmentB b[2][Planes];
      DUET_UNROLL
      for (int p = 0; p < Planes; ++p) {
        const int d = step / 2 + kd, h = step % 2 * 2 + (part & 1) + kh;
        const int voxel = (d * Input::kH + h) * Input::kW + row + kw;
        std::uint32_t both[4];
        load_matrices<true>(both, x + p * Input::kRows * 2 + slot(voxel, part >> 1));
        b[0][p] = {{both[0], both[1]}};
        b[1][p] = {{both[2], both[3]}};
      }
      DUET_UNROLL
      for (int i = 0; i < plane_products(Planes); ++i) {
        const PlaneProduct product = plane_product(Planes, i);
        DUET_UNROLL
        for (int half = 0; half < 2; ++half) multiply_add(sums[kw][half], a[product.a], b[half][product.b]);
      }
    }
  }
}

// Tile by tile from zero, as chains on tensor cores cut off what does not fit; the rest is rounded.
template <class T>
__global__ void __launch_bounds__(kWarps * 32, 2) halo_sums(const __grid_constant__ HaloSums<T> p) {
  constexpr int kP = kPlanes<T>;
  auto* x = block_memory<Chunk>();
  Chunk* dy = x + kP * Input::kRows * 2;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int output = static_cast<int>(blockIdx.y) % p.output_blocks * kRowChannels;
  const int input = static_cast<int>(blockIdx.y) / p.output_blocks * kRowChannels;
  FragmentC sums[3][2] = {};
  for (Index tile = blockIdx.x; tile < p.grid.tiles; tile += p.shares) {
    const Corner at = p.grid.corner(tile);
    __syncthreads();
    fill_box<Input>(x, p.x, p.inputs, input, p.grid, at);
    fill_box<Gradient>(dy, p.dy, p.outputs, output, p.grid, at);
    __syncthreads();
    FragmentC part[3][2] = {};
    add_tile<kP>(part, x, dy, warp / 3, warp % 3);
    DUET_UNROLL
    for (int i = 0; i < 24; ++i) sums[i / 8][i / 4 % 2].v[i % 4] += part[i / 8][i / 4 % 2].v[i % 4];
  }
  DUET_UNROLL
  for (int i = 0; i < 24; ++i) {
    const int kw = i / 8, half = i / 4 % 2, v = i % 4;
    const int o = output + lane / 4 + v / 2 * 8, c = input + half * 8 + lane % 4 * 2 + v % 2;
    p.partial[p.place(blockIdx.x, o, warp * 3 + kw, c)] = sums[kw][half].v[v];
  }
}
#endif

// What a block adds up.
template <class T>
void add_on_host(const HaloSums<T>& p, Index share, int output, int input) {
  const TileGrid& g = p.grid;
  for (int i = 0; i < kWindow * kRowChannels * kRowChannels; ++i) {
    const int c = input + i % kRowChannels, o = output + i / kRowChannels % kRowChannels;
    const int tap = i / (kRowChannels * kRowChannels);
    double sum = 0;
    for (Index tile = share; tile < g.tiles; tile += p.shares) {
      const Corner at = g.corner(tile);
      for (int voxel = 0; voxel < Gradient::kRows; ++voxel) {
        const auto [n, d, h, w] = g.voxel_of(at, voxel);
        const int z = d + tap / 9 - 1, y = h + tap / 3 % 3 - 1, x = w + tap % 3 - 1;
        if (!g.inside(d, h, w) || !g.inside(z, y, x)) continue;
        sum += static_cast<double>(static_cast<float>(p.dy[g.voxel(n, d, h, w) * p.outputs + o])) *
               static_cast<double>(static_cast<float>(p.x[g.voxel(n, z, y, x) * p.inputs + c]));
      }
    }
    p.partial[p.place(share, o, tap, c)] = static_cast<float>(sum);
  }
}

template <class T>
constexpr std::size_t shared_bytes() {
  return static_cast<std::size_t>(kPlanes<T> * (Input::kRows + Gradient::kRows) * 2) * sizeof(Chunk);
}

template <class T>
void halo_sums_on_host(Arguments arguments) {
  const auto& p = argument<HaloSums<T>>(arguments[0]);
  const int across = p.across();
  parallel_for(p.shares * across, [&](Index i) {
    const int block = static_cast<int>(i % across);
    add_on_host(p, i / across, block % p.output_blocks * kRowChannels,
                block / p.output_blocks * kRowChannels);
  });
}

template <class T>
void run(Driver& driver, const HaloSums<T>& p) {
  Launch launch{"conv3d weight gradient of tiles", {}, p.grid.tiles * p.across()};
  launch.geometry = {static_cast<std::uint32_t>(p.shares), static_cast<std::uint32_t>(p.across()), 1,
                     kWarps * 32, shared_bytes<T>()};
  const void* device = nullptr;
#ifdef __CUDACC__
  device = reinterpret_cast<const void*>(&halo_sums<T>);
#endif
  launch_kernel(driver, launch, device, halo_sums_on_host<T>, p);
}

struct Shares {
  const float* partial;
  Index elements;  // of a share
  template <int W>
  DUET_HOST_DEVICE void add(Index, Index share, Index element, double* sums) const {
    const auto values = load<W>(partial, share * elements + element);
    for (int j = 0; j < W; ++j) sums[j] += static_cast<double>(values.v[j]);
  }
};
}  // namespace

std::size_t halo_weights_shared_bytes(DType activations) {
  return activations == DType::bf16 ? shared_bytes<bf16>() : shared_bytes<float>();
}

void halo_weights(const Room& room, const Problem& p, ConstView x, ConstView dy, View dw, Accum accum) {
  const TileGrid grid(p.y, 4, 4, 8);
  const Index blocks = p.y.c / kRowChannels * (p.x.c / kRowChannels);
  const Index shares = std::clamp<Index>(kBlocks / blocks, 1, grid.tiles), elements = dw.shape.elements();
  const Scratch scratch(room.memory, static_cast<std::size_t>(shares * elements) * sizeof(float),
                        "conv3d weight gradient");
  auto* partial = static_cast<float*>(scratch.data());
  with_planes(x.dtype, [&](auto type) {
    using T = decltype(type);
    run(*room.driver,
        HaloSums<T>{x.as<T>(), dy.as<T>(), partial, static_cast<int>(p.x.c), static_cast<int>(p.y.c), grid,
                    shares, static_cast<int>(p.y.c / kRowChannels)});
  });
  sum_columns<1, 4>(*room.driver, room.memory, "conv3d weight gradient of tiles", {1, shares, elements},
                    Shares{partial, elements}, StoreColumn<float>{dw.as<float>(), accum});
}

}  // namespace duet::cuda
