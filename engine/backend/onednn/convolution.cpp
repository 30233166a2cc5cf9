#include "engine/backend/onednn/convolution.h"

#include <algorithm>

#include "engine/backend/onednn/deep.h"
#include "engine/backend/onednn/loops.h"
#include "engine/backend/onednn/one_channel.h"
#include "engine/backend/onednn/packed.h"
#include "engine/backend/onednn/row_weights.h"
#include "engine/backend/onednn/thin.h"
#include "engine/backend/onednn/touching.h"
#include "engine/backend/onednn/vectors.h"
#include "engine/backend/onednn/wide.h"
#include "engine/backend/onednn/winograd.h"

namespace duet::onednn {
namespace {

// Tensors of more bytes are worked through in blocks of samples: offsets inside oneDNN's kernels are 32 bits
// wide.
constexpr Index kMostBytes = Index{1} << 30;
constexpr Conv3dSpec kPointwise{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};

constexpr std::size_t kMostScratch = std::size_t{32} << 20;

Index bytes_of_sample(const Problem& p) {
  return static_cast<Index>(size_of(p.type)) * std::max(p.x.elements(), p.y.elements()) / p.x.n;
}

Index samples_at_once(const Problem& p) {
  return std::clamp<Index>(kMostBytes / std::max<Index>(bytes_of_sample(p), 1), 1, p.x.n);
}

// Calls body(begin, end) over blocks of samples of a convolution.
template <class Body>
void for_samples(const Problem& p, Index block, const Body& body) {
  for (Index begin = 0; begin < p.x.n; begin += block) body(begin, std::min(p.x.n, begin + block));
}

Problem samples(Problem p, Index begin, Index end) {
  p.x.n = p.y.n = end - begin;
  return p;
}

// Whether windows leave gaps between them, or overlap at a stride. There oneDNN 2.6.3's weight gradient in
// bf16 (jit_bf16) reads what it never wrote: some values are wrong, and other ones each time. In f32 it is
// right.
bool leaves_gaps(const Problem& p) {
  for (int axis = 0; axis < 3; ++axis) {
    const Index stride = p.spec.stride[axis], size = p.x.spatial()[axis];
    const bool tiled = p.spec.kernel[axis] == stride && p.spec.padding[axis] == 0 && size % stride == 0;
    if (stride > 1 && !tiled) return true;
  }
  return false;
}

class OnednnConvolution final : public ConvolutionKernels {
 public:
  OnednnConvolution(const std::shared_ptr<Allocator>& memory, std::unique_ptr<ConvolutionKernels> reference)
      : reference_(std::move(reference)) {
    device_.memory = memory;
  }

  void conv3d_forward(const Conv3dSpec& spec, ConstView x, ConstView w, ConstView b, View y) override {
    if (x.dtype == DType::f64) return reference_->conv3d_forward(spec, x, w, b, y);
    forward(convolution(spec, x.shape, w.shape, y.shape, x.dtype), x, w, b, y, Accum::write);
  }
  void conv3d_backward_data(const Conv3dSpec& spec, ConstView dy, ConstView w, View dx,
                            Accum accum) override {
    if (dy.dtype == DType::f64) return reference_->conv3d_backward_data(spec, dy, w, dx, accum);
    data(convolution(spec, dx.shape, w.shape, dy.shape, dy.dtype), dy, w, dx, accum);
  }
  void conv3d_backward_weights(const Conv3dSpec& spec, ConstView x, ConstView dy, View dw,
                               Accum accum) override {
    if (x.dtype == DType::f64) return reference_->conv3d_backward_weights(spec, x, dy, dw, accum);
    weights(convolution(spec, x.shape, dw.shape, dy.shape, x.dtype), x, dy, dw, accum);
  }

  // The transposed convolution x -> y is the data gradient of the convolution y -> x with the same spec and
  // weights.
  void conv_transpose3d_forward(const Conv3dSpec& spec, ConstView x, ConstView w, ConstView b,
                                View y) override {
    if (x.dtype == DType::f64) return reference_->conv_transpose3d_forward(spec, x, w, b, y);
    check_bias(b, y.shape);
    const Problem problem = transposed(spec, x.shape, w.shape, y.shape, x.dtype);
    check_types(x, y, w);
    if (by_touching(problem)) return touching::data_gradient(spec, x, w, b, y, Accum::write);
    data(problem, x, w, y, Accum::write);
    if (b) add_bias(b, y);
  }
  void conv_transpose3d_backward_data(const Conv3dSpec& spec, ConstView dy, ConstView w, View dx,
                                      Accum accum) override {
    if (dy.dtype == DType::f64) return reference_->conv_transpose3d_backward_data(spec, dy, w, dx, accum);
    forward(transposed(spec, dx.shape, w.shape, dy.shape, dy.dtype), dy, w, {}, dx, accum);
  }
  void conv_transpose3d_backward_weights(const Conv3dSpec& spec, ConstView x, ConstView dy, View dw,
                                         Accum accum) override {
    if (x.dtype == DType::f64) return reference_->conv_transpose3d_backward_weights(spec, x, dy, dw, accum);
    weights(transposed(spec, x.shape, dw.shape, dy.shape, x.dtype), dy, x, dw, accum);
  }

  // Few outputs are bound by memory, and their factors and types go beyond oneDNN's: own loops.
  void pointwise_conv_forward(ConstView x, ConstView scale, ConstView w, ConstView b, View y) override {
    if (x.dtype == DType::f64) return reference_->pointwise_conv_forward(x, scale, w, b, y);
    if (fits_thin(x.shape, w.shape)) return thin_forward(x, scale, w, b, y);
    if (scale || y.dtype != x.dtype) return wide_forward(*this, device_.memory, x, scale, w, b, y);
    conv3d_forward(kPointwise, x, w, b, y);
  }
  void pointwise_conv_backward_data(ConstView dy, ConstView scale, ConstView w, View dx,
                                    Accum accum) override {
    if (dx.dtype == DType::f64) return reference_->pointwise_conv_backward_data(dy, scale, w, dx, accum);
    if (fits_thin(dx.shape, w.shape)) return thin_backward_data(dy, scale, w, dx, accum);
    if (scale || dy.dtype != dx.dtype) {
      return wide_backward_data(*this, device_.memory, dy, scale, w, dx, accum);
    }
    conv3d_backward_data(kPointwise, dy, w, dx, accum);
  }
  void pointwise_conv_backward_weights(ConstView x, ConstView scale, ConstView dy, View dw,
                                       Accum accum) override {
    if (x.dtype == DType::f64) return reference_->pointwise_conv_backward_weights(x, scale, dy, dw, accum);
    if (fits_thin(x.shape, dw.shape)) return thin_backward_weights(device_.memory, x, scale, dy, dw, accum);
    if (scale || dy.dtype != x.dtype) {
      return wide_backward_weights(*this, device_.memory, x, scale, dy, dw, accum);
    }
    conv3d_backward_weights(kPointwise, x, dy, dw, accum);
  }

  void bias_backward(ConstView dy, View db, Accum accum) override {
    if (dy.dtype == DType::f64) return reference_->bias_backward(dy, db, accum);
    check_bias(db, dy.shape);
    sum_rows(device_.memory, dy, db, accum);
  }

  void forget_weights() override { packed_.clear(); }
  PlanCounters plan_counters() const override { return plans_.counters(); }
  std::string implementation(ConvPass pass, const Conv3dSpec& spec, const Shape& x, const Shape& w,
                             DType activations) override {
    if (spec == kPointwise && fits_thin(x, w)) return "own:thin";
    const Problem problem{spec, x, w, conv3d_output_shape(spec, x, w), activations};
    if (by_winograd(pass, problem)) return "own:winograd";
    if (pass == ConvPass::data && by_touching(problem)) return "own:touching";
    if (pass == ConvPass::weights && by_one_channel(problem)) return "own:one channel";
    if (pass == ConvPass::forward && forward_by_one_channel(problem)) return "own:one channel";
    if (pass != ConvPass::forward && by_deep(problem)) return "own:deep";
    const bool widens = pass == ConvPass::weights && leaves_gaps(problem);
    const std::string name = onednn_implementation(pass, spec, x, w, widens ? DType::f32 : activations);
    return pass == ConvPass::weights && by_rows(spec, x, w, activations, name) ? "own:rows" : name;
  }

 private:
  static Problem convolution(const Conv3dSpec& spec, const Shape& x, const Shape& w, const Shape& y,
                             DType type) {
    const Shape expected = conv3d_output_shape(spec, x, w);
    DUET_CHECK(y == expected, "conv3d: output ", y, " of input ", x, " and weights ", w, " should be ",
               expected);
    return {spec, x, w, y, type};
  }
  static Problem transposed(const Conv3dSpec& spec, const Shape& x, const Shape& w, const Shape& y,
                            DType type) {
    const Shape expected = conv_transpose3d_output_shape(spec, x, w);
    DUET_CHECK(y == expected, "conv_transpose3d: output ", y, " of input ", x, " and weights ", w,
               " should be ", expected);
    return {spec, y, w, x, type};
  }
  static void check_bias(const ConstView& b, const Shape& y) {
    DUET_CHECK(!b || b.shape == Shape::vector(y.c), "conv3d: bias ", b.shape, " of output ", y);
  }

  // y = or += x * w + b.
  void forward(const Problem& problem, ConstView x, ConstView w, ConstView b, View y, Accum accum) {
    check_bias(b, problem.y);
    check_types(x, y, w);
    if (by_winograd(problem)) return filter(problem.spec, x, w, false, b, y, accum);
    if (accum == Accum::write && forward_by_one_channel(problem))
      return one_channel::forward(device_.memory, problem.spec, x, w, b, y);
    for_samples(problem, samples_at_once(problem), [&](Index begin, Index end) {
      const PlanRequest request{ConvPass::forward, samples(problem, begin, end), static_cast<bool>(b),
                                accum == Accum::add};
      const auto plan = plans_.find(device_.engine, request);
      const Packed packed = packed_.get(device_, *plan, w);
      std::unordered_map<int, dnnl::memory> arguments{
          {DNNL_ARG_SRC, device_.wrap(plan->run.x, x.samples(begin, end).data)},
          {DNNL_ARG_WEIGHTS, packed.memory},
          {DNNL_ARG_DST, device_.wrap(plan->run.y, y.samples(begin, end).data)}};
      if (b) arguments[DNNL_ARG_BIAS] = device_.wrap(plan->run.bias, b.data);
      device_.run(plan->run, std::move(arguments));
    });
  }

  // The same by own loops. `flipped`: under the flipped kernel.
  void filter(const Conv3dSpec& spec, ConstView x, ConstView w, bool flipped, ConstView b, View y,
              Accum accum) {
    const Packed packed = packed_.get_transformed(device_, w, flipped);
    const auto* weights = static_cast<const float*>(packed.memory.get_data_handle());
    winograd::forward(device_.memory, spec, x, weights, b, y, accum);
  }

  // dx = or += the gradient of y.
  void data(const Problem& problem, ConstView dy, ConstView w, View dx, Accum accum) {
    check_types(dy, dx, w);
    if (by_touching(problem)) return touching::data_gradient(problem.spec, dy, w, {}, dx, accum);
    if (turns_to_winograd(problem)) return filter(flipped(problem).spec, dy, w, true, {}, dx, accum);
    if (by_deep(problem)) return deep::data_gradient(device_.memory, problem.spec, dy, w, dx, accum);
    for_samples(problem, samples_at_once(problem), [&](Index begin, Index end) {
      const PlanRequest request{ConvPass::data, samples(problem, begin, end), false, accum == Accum::add};
      const auto plan = plans_.find(device_.engine, request);
      const Packed packed = packed_.get(device_, *plan, w);
      const View part = dx.samples(begin, end);
      const bool through_scratch = accum == Accum::add && !plan->adds;
      const auto bytes = static_cast<std::size_t>(part.shape.elements()) * size_of(part.dtype);
      const Scratch scratch(device_.memory, through_scratch ? bytes : 0, "conv3d data gradient");
      void* to = through_scratch ? scratch.data() : part.data;
      const bool turned = plan->flipped;
      device_.run(plan->run, {{turned ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST,
                               device_.wrap(turned ? plan->run.x : plan->run.y, dy.samples(begin, end).data)},
                              {DNNL_ARG_WEIGHTS, packed.memory},
                              {turned ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC,
                               device_.wrap(turned ? plan->run.y : plan->run.x, to)}});
      if (through_scratch) add_onto({to, part.shape, part.dtype, 0}, part);
    });
  }

  // dw = or += the gradient summed over samples: in oneDNN's layout into scratch, from there onto dw.
  void weights(const Problem& problem, ConstView x, ConstView dy, View dw, Accum accum) {
    check_types(x, dy, dw);
    if (problem.type == DType::bf16 && leaves_gaps(problem))
      return widened_weights(problem, x, dy, dw, accum);
    if (gradient_by_winograd(problem))
      return winograd::weights_gradient(device_.memory, problem.spec, x, dy, dw, accum);
    if (by_one_channel(problem))
      return one_channel::weights_gradient(device_.memory, problem.spec, x, dy, dw, accum);
    if (by_deep(problem)) return deep::weights_gradient(device_.memory, problem.spec, x, dy, dw, accum);
    const Index block = weights_block(problem);
    const auto first = plans_.find(device_.engine, {ConvPass::weights, samples(problem, 0, block)});
    if (by_rows(problem.spec, problem.x, problem.w, problem.type, first->run.implementation)) {
      return row_weights(device_.memory, problem.spec, x, dy, dw, accum);
    }
    for_samples(problem, block, [&](Index begin, Index end) {
      const PlanRequest request{ConvPass::weights, samples(problem, begin, end)};
      const auto plan = plans_.find(device_.engine, request);
      const Scratch scratch(device_.memory, plan->run.weights.get_size(), "conv3d weight gradient");
      const dnnl::memory packed = device_.wrap(plan->run.weights, scratch.data());
      device_.run(plan->run, {{DNNL_ARG_SRC, device_.wrap(plan->run.x, x.samples(begin, end).data)},
                              {DNNL_ARG_DIFF_DST, device_.wrap(plan->run.y, dy.samples(begin, end).data)},
                              {DNNL_ARG_DIFF_WEIGHTS, packed}});
      const bool add = accum == Accum::add || begin > 0;
      device_.run(
          add ? plan->unpack_add : plan->unpack,
          {{DNNL_ARG_FROM, packed}, {DNNL_ARG_TO, device_.wrap(plain_weights_desc(dw.shape), dw.data)}});
    });
  }

  static bool by_winograd(const Problem& p) {
    return p.type == DType::f32 && winograd::fits(p.spec, p.x, p.w);
  }
  static bool turns_to_winograd(const Problem& p) { return can_flip(p) && by_winograd(flipped(p)); }
  static bool gradient_by_winograd(const Problem& p) {
    return p.type == DType::f32 && winograd::fits_gradient(p.spec, p.x, p.w);
  }
  // Before AVX-512 oneDNN has but its reference loops for a sample beyond its offsets (over 390 s for 34 x
  // 512 x 512 voxels of 32 channels).
  static bool by_touching(const Problem& p) {
    const bool large = kVector == 8 && bytes_of_sample(p) > kMostBytes;
    return p.type == DType::f32 && (large || p.w.n <= touching::kMostChannels) &&
           touching::fits(p.spec, p.x, p.w);
  }
  static bool by_one_channel(const Problem& p) { return one_channel::fits(p.spec, p.x, p.w); }
  // Not measured before AVX-512.
  static bool forward_by_one_channel(const Problem& p) { return kVector == 16 && by_one_channel(p); }
  // With AVX-512 oneDNN is as fast from 128 voxels on.
  static bool by_deep(const Problem& p) {
    const bool few = p.x.rows() <= 64;
    return p.type == DType::f32 && (kVector == 8 || few) && deep::fits(p.spec, p.x, p.w);
  }
  static bool by_winograd(ConvPass pass, const Problem& p) {
    if (pass == ConvPass::weights) return gradient_by_winograd(p);
    return pass == ConvPass::data ? turns_to_winograd(p) : by_winograd(p);
  }

  // Before AVX-512 oneDNN copies columns and multiplies matrices; with it, it takes 1.1 (8 to 8) to 1.8 times
  // as long (16 to 8).
  static bool by_rows(const Conv3dSpec& spec, const Shape& x, const Shape& w, DType type,
                      const std::string& implementation) {
    const bool gemm = implementation.find("gemm") != std::string::npos;
    return type == DType::f32 && (gemm || std::min(x.c, w.n) == 8) && fits_row_weights(spec, x, w);
  }

  void widened_weights(Problem problem, ConstView x, ConstView dy, View dw, Accum accum) {
    problem.type = DType::f32;
    const auto bytes = [](const ConstView& v) {
      return static_cast<std::size_t>(v.shape.elements()) * sizeof(float);
    };
    const Scratch wide_x(device_.memory, bytes(x), "conv3d x as f32");
    const Scratch wide_dy(device_.memory, bytes(dy), "conv3d dy as f32");
    widen(x, static_cast<float*>(wide_x.data()));
    widen(dy, static_cast<float*>(wide_dy.data()));
    weights(problem, {wide_x.data(), x.shape, DType::f32, 0}, {wide_dy.data(), dy.shape, DType::f32, 0}, dw,
            accum);
  }

  // In bf16 oneDNN turns whole tensors round in scratch: fewer samples at once then.
  Index weights_block(const Problem& problem) {
    Index block = samples_at_once(problem);
    while (block > 1) {
      const auto plan = plans_.find(device_.engine, {ConvPass::weights, samples(problem, 0, block)});
      if (plan->run.scratch.get_size() <= kMostScratch) break;
      block = (block + 1) / 2;
    }
    return block;
  }

  // Activations of one type, weights (or their gradient) f32.
  static void check_types(const ConstView& x, const ConstView& y, const ConstView& w) {
    DUET_CHECK(
        x.dtype == y.dtype && (x.dtype == DType::f32 || x.dtype == DType::bf16) && w.dtype == DType::f32,
        "conv3d: ", name_of(x.dtype), " ", x.shape, ", ", name_of(y.dtype), " ", y.shape, " and weights of ",
        name_of(w.dtype));
  }

  std::unique_ptr<ConvolutionKernels> reference_;
  Device device_;
  PlanCache plans_;
  PackedWeights packed_;
};

}  // namespace

std::unique_ptr<ConvolutionKernels> make_convolution(const std::shared_ptr<Allocator>& memory,
                                                     std::unique_ptr<ConvolutionKernels> reference) {
  return std::make_unique<OnednnConvolution>(memory, std::move(reference));
}

}  // namespace duet::onednn
