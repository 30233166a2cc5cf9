#include "engine/backend/cuda/graph.h"

#include <cstdint>

namespace duet::cuda {
namespace {

using Longs = std::vector<std::int64_t>;

// The attributes of an operation, by pass.
struct Operation {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};
constexpr Operation kForward{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
constexpr Operation kData{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
constexpr Operation kWeights{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

const Operation& operation_of(ConvPass pass) {
  return pass == ConvPass::forward ? kForward : pass == ConvPass::data ? kData : kWeights;
}

cudnnDataType_t type_of(DType type) {
  switch (type) {
    case DType::f32:
      return CUDNN_DATA_FLOAT;
    case DType::f64:
      return CUDNN_DATA_DOUBLE;
    case DType::bf16:
      return CUDNN_DATA_BFLOAT16;
    default:
      throw EngineError(text("conv3d: tensors of ", name_of(type)));
  }
}

// Sizes along D, H, W as cuDNN wants them.
Longs spatial(const Triple& sizes, bool flat) {
  return flat ? Longs{sizes[1], sizes[2]} : Longs{sizes[0], sizes[1], sizes[2]};
}

// Activations (N, C, D, H, W), weights (K, C, T, R, S): the same order, with channels last in memory.
std::optional<Descriptor> tensor(const Shape& s, DType type, std::int64_t id, const void* pointer,
                                 bool flat) {
  Longs sizes{s.n, s.c, s.d, s.h, s.w};
  Longs strides{s.voxels() * s.c, 1, s.h * s.w * s.c, s.w * s.c, s.c};
  if (flat) {
    sizes.erase(sizes.begin() + 2);
    strides.erase(strides.begin() + 2);
  }
  const cudnnDataType_t stored = type_of(type);
  Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &stored);
  d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes);
  d.set(CUDNN_ATTR_TENSOR_STRIDES, strides);
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, Longs{id});
  d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, Longs{alignment_of(pointer)});
  if (!d.finalize()) return std::nullopt;
  return d;
}

std::optional<Descriptor> convolution(const ConvCall& call, bool flat) {
  const cudnnDataType_t compute = call.activations == DType::f64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const Longs paddings = spatial(call.spec.padding, flat);
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, Longs{flat ? 2 : 3});
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, spatial({1, 1, 1}, flat));
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, spatial(call.spec.stride, flat));
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, paddings);
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, paddings);
  if (!d.finalize()) return std::nullopt;
  return d;
}

void set_factor(Descriptor& d, cudnnBackendAttributeName_t name, double value, bool wide) {
  const auto narrow = static_cast<float>(value);
  if (wide) {
    d.set(name, CUDNN_TYPE_DOUBLE, 1, &value);
  } else {
    d.set(name, CUDNN_TYPE_FLOAT, 1, &narrow);
  }
}

}  // namespace

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t handle = nullptr;
  check(cudnn().create_descriptor(type, &handle), "cudnnBackendCreateDescriptor");
  handle_.reset(handle);
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                     const void* values) {
  check(cudnn().set_attribute(get(), name, type, count, values), "cudnnBackendSetAttribute");
}
void Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& other) {
  const cudnnBackendDescriptor_t handle = other.get();
  set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &handle);
}
void Descriptor::set(cudnnBackendAttributeName_t name, const std::vector<std::int64_t>& values) {
  set(name, CUDNN_TYPE_INT64, static_cast<std::int64_t>(values.size()), values.data());
}

Operands operands_of(const ConvCall& c) {
  switch (c.pass) {
    case ConvPass::forward:
      return {c.first, c.second, c.result};
    case ConvPass::data:
      return {c.result, c.second, c.first};
    default:
      return {c.first, c.result, c.second};
  }
}

std::optional<Descriptor> graph_of(cudnnHandle_t handle, const ConvCall& call) {
  const bool flat = is_flat(call), wide = call.activations == DType::f64;
  const Operands at = operands_of(call);
  const auto x = tensor(call.x, call.activations, kIdX, at.x, flat);
  const auto w = tensor(call.w, call.weights, kIdW, at.w, flat);
  const auto y = tensor(call.y, call.activations, kIdY, at.y, flat);
  const auto how = convolution(call, flat);
  if (!x || !w || !y || !how) return std::nullopt;
  const Operation& names = operation_of(call.pass);
  Descriptor operation(names.type);
  operation.set(names.x, *x);
  operation.set(names.w, *w);
  operation.set(names.y, *y);
  operation.set(names.convolution, *how);
  set_factor(operation, names.alpha, 1.0, wide);
  set_factor(operation, names.beta, call.accum == Accum::add ? 1.0 : 0.0, wide);
  if (!operation.finalize()) return std::nullopt;
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  if (!graph.finalize()) return std::nullopt;
  return graph;
}

}  // namespace duet::cuda
