// Every convolution of the contract on the device, host code only: most are passes of one convolution in the
// vendor's library; what it lacks or does slowly runs in own kernels or as products of matrices.
#include <algorithm>

#include "engine/backend/cuda/bias.h"
#include "engine/backend/cuda/direct.h"
#include "engine/backend/cuda/halo.h"
#include "engine/backend/cuda/matrices.h"
#include "engine/backend/cuda/packed.h"
#include "engine/backend/cuda/proof.h"
#include "engine/backend/cuda/thin.h"
#include "engine/backend/cuda/transposed.h"
#include "engine/backend/cuda/wide.h"

namespace duet::cuda {
namespace {

constexpr Conv3dSpec kPointwise{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};

// Tensors of more elements are worked through in blocks of samples, as the library's strides are 32 bits
// wide.
constexpr Index kMostElements = (Index{1} << 31) - 1;

// Whether the library may be asked: not in f64, which only gradient checks use, and not for kernels with one
// channel on either side, where its tiles of channels are almost empty.
bool for_library(const Problem& p, DType type) {
  return type != DType::f64 && (p.w.voxels() == 1 || (p.x.c > 1 && p.y.c > 1));
}

// Whether own kernels on tensor cores are faster than the library, measured on an H200 (README): the more
// channels, the better its tiles are filled. On a card whose blocks have too little shared memory for them
// (desktops', in f32) the library runs.
bool for_halo(const Driver& driver, ConvPass pass, const Problem& p, DType type) {
  const bool narrow = type == DType::bf16;
  const Index most = pass == ConvPass::weights   ? 64
                     : pass == ConvPass::forward ? (narrow ? 16 : 32)
                                                 : (narrow ? 16 : 128);
  if (std::max(p.x.c, p.y.c) > most || !fits_halo(p, type)) return false;
  const bool sums = pass == ConvPass::weights;
  return (sums ? halo_weights_shared_bytes(type) : halo_shared_bytes(type)) <= driver.shared_bytes();
}

// Whether windows tile the whole input: then the convolution is a product of matrices, as is the transposed
// one that is its data gradient.
bool for_matrices(const Problem& p) {
  if (!tiles(p.spec) || p.w.voxels() == 1) return false;
  const Triple x = p.x.spatial(), y = p.y.spatial();
  for (std::size_t i = 0; i < 3; ++i) {
    if (y[i] * p.spec.stride[i] != x[i]) return false;
  }
  return true;
}

// Whether a weight gradient has so few channels on either side that own gathers are faster than the library's
// engines, whose tiles of channels stay almost empty.
bool for_gather(ConvPass pass, const Problem& p) {
  return pass == ConvPass::weights && p.w.voxels() > 1 && p.x.c * p.y.c <= 128 && !for_matrices(p);
}

// Calls body(part of the problem, first sample, last + 1) over blocks of samples.
template <class Body>
void for_samples(const Problem& p, const Body& body) {
  const Index elements = std::max(p.x.elements(), p.y.elements()) / p.x.n;
  const Index block = std::clamp<Index>(kMostElements / elements, 1, p.x.n);
  for (Index begin = 0; begin < p.x.n; begin += block) {
    const Index end = std::min(p.x.n, begin + block);
    body(Problem{p.spec, p.x.with_batch(end - begin), p.w, p.y.with_batch(end - begin)}, begin, end);
  }
}

Problem convolution(const Conv3dSpec& spec, const Shape& x, const Shape& w, const Shape& y) {
  const Shape expected = conv3d_output_shape(spec, x, w);
  DUET_CHECK(y == expected, "conv3d: output ", y, " of input ", x, " and weights ", w, " should be ",
             expected);
  return {spec, x, w, y};
}

// The transposed convolution x -> y is the data gradient of the convolution y -> x with the same spec and
// weights.
Problem transposed(const Conv3dSpec& spec, const Shape& x, const Shape& w, const Shape& y) {
  const Shape expected = conv_transpose3d_output_shape(spec, x, w);
  DUET_CHECK(y == expected, "conv_transpose3d: output ", y, " of input ", x, " and weights ", w,
             " should be ", expected);
  return {spec, y, w, x};
}

void check_bias(const char* op, ConstView b, ConstView w, const Shape& y) {
  DUET_CHECK(!b || (b.shape == Shape::vector(y.c) && b.dtype == w.dtype), op, ": bias ", b.shape, ' ',
             name_of(b.dtype), " of output ", y);
}

// Activations of one type, weights (or their gradient) of its master type.
void check_types(ConstView x, ConstView y, ConstView w) {
  const bool known = x.dtype == DType::f32 || x.dtype == DType::f64 || x.dtype == DType::bf16;
  DUET_CHECK(known && x.dtype == y.dtype && w.dtype == master_type(x.dtype), "conv3d: ", name_of(x.dtype),
             ' ', x.shape, ", ", name_of(y.dtype), ' ', y.shape, " and weights of ", name_of(w.dtype));
}

// x (N,D,H,W,Ci), w (Co,1,1,1,Ci), y (N,D,H,W,Co) of x's type or w's, scale (N,1,1,1,Ci) of w's type or
// empty.
void check_pointwise(ConstView x, ConstView scale, ConstView w, ConstView y) {
  DUET_CHECK(w.shape.voxels() == 1 && w.shape.c == x.shape.c && y.shape == x.shape.with_channels(w.shape.n),
             "pointwise_conv: output ", y.shape, " of input ", x.shape, " and weights ", w.shape);
  check_types(x, y.dtype == w.dtype ? x : y, w);
  DUET_CHECK(!scale || (scale.shape == Shape{x.shape.n, 1, 1, 1, x.shape.c} && scale.dtype == w.dtype),
             "pointwise_conv: scale ", scale.shape, ' ', name_of(scale.dtype), " of input ", x.shape);
}

class CudaConvolution final : public ConvolutionKernels {
 public:
  explicit CudaConvolution(const Room& room) : room_(room) {}

  void conv3d_forward(const Conv3dSpec& spec, ConstView x, ConstView w, ConstView b, View y) override {
    const Problem problem = convolution(spec, x.shape, w.shape, y.shape);
    check_bias("conv3d", b, w, y.shape);
    forward(problem, x, w, b, y, Accum::write);
  }
  void conv3d_backward_data(const Conv3dSpec& spec, ConstView dy, ConstView w, View dx,
                            Accum accum) override {
    data(convolution(spec, dx.shape, w.shape, dy.shape), dy, w, dx, accum);
  }
  void conv3d_backward_weights(const Conv3dSpec& spec, ConstView x, ConstView dy, View dw,
                               Accum accum) override {
    weights(convolution(spec, x.shape, dw.shape, dy.shape), x, dy, dw, accum);
  }

  void conv_transpose3d_forward(const Conv3dSpec& spec, ConstView x, ConstView w, ConstView b,
                                View y) override {
    const Problem problem = transposed(spec, x.shape, w.shape, y.shape);
    check_bias("conv_transpose3d", b, w, y.shape);
    if (tiles(spec)) {
      check_types(x, y, w);
      const Packed packed = packed_.get(room_, w, x.dtype);
      return tiled_forward(room_, x, packed.weights, b, y, Accum::write);
    }
    data(problem, x, w, y, Accum::write);
    if (b) add_bias(room_, b, y);
  }
  void conv_transpose3d_backward_data(const Conv3dSpec& spec, ConstView dy, ConstView w, View dx,
                                      Accum accum) override {
    const Problem problem = transposed(spec, dx.shape, w.shape, dy.shape);
    if (!tiles(spec)) return forward(problem, dy, w, {}, dx, accum);
    check_types(dy, dx, w);
    const Packed packed = packed_.get(room_, w, dy.dtype);
    tiled_data(room_, dy, packed.weights, dx, accum);
  }
  void conv_transpose3d_backward_weights(const Conv3dSpec& spec, ConstView x, ConstView dy, View dw,
                                         Accum accum) override {
    const Problem problem = transposed(spec, x.shape, dw.shape, dy.shape);
    if (!tiles(spec)) return weights(problem, dy, x, dw, accum);
    check_types(x, dy, dw);
    tiled_weights(room_, x, dy, dw, accum);
  }

  void pointwise_conv_forward(ConstView x, ConstView scale, ConstView w, ConstView b, View y) override {
    check_pointwise(x, scale, w, y);
    check_bias("pointwise_conv", b, w, y.shape);
    if (fits_thin(w.shape)) return thin_forward(room_, x, scale, w, b, y);
    wide_forward(room_, packed_, x, scale, w, b, y);
  }
  void pointwise_conv_backward_data(ConstView dy, ConstView scale, ConstView w, View dx,
                                    Accum accum) override {
    check_pointwise(dx, scale, w, dy);
    if (fits_thin(w.shape)) return thin_data(room_, dy, scale, w, dx, accum);
    wide_data(room_, packed_, dy, scale, w, dx, accum);
  }
  void pointwise_conv_backward_weights(ConstView x, ConstView scale, ConstView dy, View dw,
                                       Accum accum) override {
    check_pointwise(x, scale, dw, dy);
    if (fits_thin(dw.shape)) return thin_weights(room_, x, scale, dy, dw, accum);
    wide_weights(room_, x, scale, dy, dw, accum);
  }

  void bias_backward(ConstView dy, View db, Accum accum) override { sum_bias(room_, dy, db, accum); }

  void forget_weights() override { packed_.clear(); }
  PlanCounters plan_counters() const override { return driver().plan_counters(); }

  // The transposed convolution whose windows tile its output cannot be told from its convolution here.
  std::string implementation(ConvPass pass, const Conv3dSpec& spec, const Shape& x, const Shape& w,
                             DType activations) override {
    if (spec == kPointwise) return fits_thin(w) ? "own:thin" : "cublas";
    const Problem problem{spec, x, w, conv3d_output_shape(spec, x, w)};
    if (!for_library(problem, activations) || for_gather(pass, problem)) return "own:direct";
    if (for_halo(driver(), pass, problem, activations)) return "own:halo";
    if (for_matrices(problem) && !by_library(pass, activations)) return "cublas";
    ConvCall call = call_of(pass, problem, activations);
    std::string name = library_name(call);
    if (name.empty() && pass == ConvPass::weights && activations == DType::bf16) {
      call.weights = DType::bf16;
      name = library_name(call);
    }
    return name.empty() ? "own:direct" : name;
  }

 private:
  Driver& driver() const { return *room_.driver; }

  // Of for_matrices: what the library's tensor cores do without a pass to gather windows.
  static bool by_library(ConvPass pass, DType type) {
    return pass == ConvPass::forward && type == DType::bf16;
  }

  // A call without its tensors. What is read is of the type of activations; a gradient of weights is f32.
  static ConvCall call_of(ConvPass pass, const Problem& p, DType activations) {
    ConvCall call{};
    call.pass = pass;
    call.spec = p.spec;
    call.x = p.x;
    call.w = p.w;
    call.y = p.y;
    call.activations = activations;
    call.weights = pass == ConvPass::weights ? master_type(activations) : activations;
    return call;
  }

  bool convolve(ConvCall call, const void* first, const void* second, void* result, Accum accum) const {
    call.first = first;
    call.second = second;
    call.result = result;
    call.accum = accum;
    return is_trusted(call) && cuda::convolve(room_, call);
  }

  // What the library is known to compute wrongly at times is compared with own kernels at its first use;
  // without memory for that they run instead, unless runs are to repeat each other.
  bool is_trusted(const ConvCall& call) const {
    while (driver().is_doubtful(call, room_.memory)) {
      const std::optional<bool> right = agrees(room_, call);
      if (!right) return false;
      driver().judge(call, *right);
    }
    return true;
  }

  // Empty where the library does not do it.
  std::string library_name(const ConvCall& call) const {
    return is_trusted(call) ? driver().convolution_name(call, room_.memory) : std::string();
  }

  // y = or += x * w + b; b only where y is written.
  void forward(const Problem& problem, ConstView x, ConstView w, ConstView b, View y, Accum accum) {
    check_types(x, y, w);
    if (!for_library(problem, x.dtype)) return direct_forward(room_, problem, x, w, b, y, accum);
    if (for_halo(driver(), ConvPass::forward, problem, x.dtype))
      return halo_forward(room_, problem, x, w, b, y, accum);
    const Packed packed = packed_.get(room_, w, x.dtype);
    if (for_matrices(problem) && !by_library(ConvPass::forward, x.dtype)) {
      tiled_data(room_, x, packed.weights, y, accum);
      if (b) add_bias(room_, b, y);
      return;
    }
    for_samples(problem, [&](const Problem& part, Index begin, Index end) {
      const ConstView from = x.samples(begin, end);
      const View to = y.samples(begin, end);
      const ConvCall call = call_of(ConvPass::forward, part, x.dtype);
      if (!convolve(call, from.data, packed.weights.data, to.data, accum)) {
        direct_forward(room_, part, from, w, b, to, accum);
      } else if (b) {
        add_bias(room_, b, to);
      }
    });
  }

  // dx = or += the gradient of y.
  void data(const Problem& problem, ConstView dy, ConstView w, View dx, Accum accum) {
    check_types(dy, dx, w);
    if (!for_library(problem, dy.dtype)) return direct_data(room_, problem, dy, w, dx, accum);
    if (for_halo(driver(), ConvPass::data, problem, dy.dtype))
      return halo_data(room_, problem, dy, w, dx, accum);
    const Packed packed = packed_.get(room_, w, dy.dtype);
    if (for_matrices(problem)) return tiled_forward(room_, dy, packed.weights, {}, dx, accum);
    for_samples(problem, [&](const Problem& part, Index begin, Index end) {
      const ConstView from = dy.samples(begin, end);
      const View to = dx.samples(begin, end);
      const ConvCall call = call_of(ConvPass::data, part, dy.dtype);
      if (!convolve(call, from.data, packed.weights.data, to.data, accum)) {
        direct_data(room_, part, from, w, to, accum);
      }
    });
  }

  // dw = or += the gradient summed over samples.
  void weights(const Problem& problem, ConstView x, ConstView dy, View dw, Accum accum) {
    check_types(x, dy, dw);
    if (!for_library(problem, x.dtype) || for_gather(ConvPass::weights, problem))
      return direct_weights(room_, problem, x, dy, dw, accum);
    if (for_halo(driver(), ConvPass::weights, problem, x.dtype))
      return halo_weights(room_, problem, x, dy, dw, accum);
    if (for_matrices(problem)) return tiled_weights(room_, dy, x, dw, accum);
    for_samples(problem, [&](const Problem& part, Index begin, Index end) {
      const ConstView from = x.samples(begin, end), gradient = dy.samples(begin, end);
      const Accum onto = begin > 0 ? Accum::add : accum;
      const ConvCall call = call_of(ConvPass::weights, part, x.dtype);
      if (convolve(call, from.data, gradient.data, dw.data, onto)) return;
      if (x.dtype == DType::bf16 && bf16_weights(call, from, gradient, dw, onto)) return;
      direct_weights(room_, part, from, gradient, dw, onto);
    });
  }

  // The gradient rounded to bf16 on its way, where the library has no other. False where it has none at all.
  bool bf16_weights(ConvCall call, ConstView x, ConstView dy, View dw, Accum accum) const {
    call.weights = DType::bf16;
    const Scratch scratch(room_.memory, bytes_of(dw.shape, DType::bf16), "conv3d weight gradient");
    if (!convolve(call, x.data, dy.data, scratch.data(), Accum::write)) return false;
    cast(room_, "conv3d weight gradient", {scratch.data(), dw.shape, DType::bf16, 0}, dw, accum);
    return true;
  }

  Room room_;
  PackedWeights packed_;
};

}  // namespace

std::unique_ptr<ConvolutionKernels> make_convolution(const Room& room) {
  return std::make_unique<CudaConvolution>(room);
}

}  // namespace duet::cuda
