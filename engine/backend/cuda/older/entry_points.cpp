// The convolutions of a V-Net of width 16 through cuDNN's older entry points
// (cudnnFindConvolution*AlgorithmEx), to lay beside the plans of its graph API that `duet bench --ops
// --device cuda` names: milliseconds of the best algorithm for each stage, pass, precision and layout, with
// 256 MiB of workspace as in engines.cpp. Nothing of Duet calls these functions. Built with the tests:
//   BUILD/bin/cudnn_entry_points [BATCH D H W]
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>
#include <cudnn.h>
#include <string>

namespace {

constexpr std::size_t kWorkspace = std::size_t{256} << 20;

[[noreturn]] void fail(const char* what, const char* why) {
  std::fprintf(stderr, "cudnn_entry_points: %s: %s\n", what, why);
  std::exit(1);
}

void check(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS) fail(what, cudnnGetErrorString(status));
}

void* allocate(std::size_t bytes) {
  void* pointer = nullptr;
  const cudaError_t error = cudaMalloc(&pointer, bytes);
  if (error != cudaSuccess) fail("cudaMalloc", cudaGetErrorString(error));
  cudaMemset(pointer, 0, bytes);
  return pointer;
}

struct Stage {
  int channels, batch;
  std::array<int, 3> size;  // D H W
};

struct Best {
  float ms = 0;
  int algorithm = -1;
};

template <class Performance>
Best best_of(const Performance* found, int count, bool tensor_cores) {
  for (int i = 0; i < count; ++i) {  // the fastest first
    const bool converts = found[i].mathType == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION;
    const bool rounds = !tensor_cores && found[i].mathType != CUDNN_FMA_MATH;
    if (found[i].status == CUDNN_STATUS_SUCCESS && !converts && !rounds) {
      return {found[i].time, static_cast<int>(found[i].algo)};
    }
  }
  return {};
}

void measure(cudnnHandle_t handle, const Stage& s, cudnnDataType_t type, cudnnTensorFormat_t layout) {
  const bool half = type == CUDNN_DATA_BFLOAT16;
  const std::array<int, 5> shape{s.batch, s.channels, s.size[0], s.size[1], s.size[2]};
  const std::array<int, 5> filter{s.channels, s.channels, 3, 3, 3};
  const std::array<int, 3> ones{1, 1, 1};
  cudnnTensorDescriptor_t tensor;
  cudnnFilterDescriptor_t weights;
  cudnnConvolutionDescriptor_t convolution;
  check(cudnnCreateTensorDescriptor(&tensor), "tensor");
  check(cudnnCreateFilterDescriptor(&weights), "filter");
  check(cudnnCreateConvolutionDescriptor(&convolution), "convolution");
  check(cudnnSetTensorNdDescriptorEx(tensor, layout, type, 5, shape.data()), "tensor");
  check(cudnnSetFilterNdDescriptor(weights, type, layout, 5, filter.data()), "filter");
  check(cudnnSetConvolutionNdDescriptor(convolution, 3, ones.data(), ones.data(), ones.data(),
                                        CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
        "convolution");
  check(cudnnSetConvolutionMathType(convolution, half ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH), "math");
  std::size_t bytes = half ? 2 : 4;
  for (const int extent : shape) bytes *= static_cast<std::size_t>(extent);
  const std::size_t filter_bytes = std::size_t{4} * 27 * s.channels * s.channels;
  void *x = allocate(bytes), *y = allocate(bytes), *w = allocate(filter_bytes),
       *scratch = allocate(kWorkspace);

  std::array<cudnnConvolutionFwdAlgoPerf_t, 16> forward{};
  std::array<cudnnConvolutionBwdDataAlgoPerf_t, 16> data{};
  std::array<cudnnConvolutionBwdFilterAlgoPerf_t, 16> gradient{};
  std::array<int, 3> count{};
  cudnnFindConvolutionForwardAlgorithmEx(handle, tensor, x, weights, w, convolution, tensor, y, 16,
                                         count.data(), forward.data(), scratch, kWorkspace);
  cudnnFindConvolutionBackwardDataAlgorithmEx(handle, weights, w, tensor, y, convolution, tensor, x, 16,
                                              &count[1], data.data(), scratch, kWorkspace);
  cudnnFindConvolutionBackwardFilterAlgorithmEx(handle, tensor, x, tensor, y, convolution, weights, w, 16,
                                                &count[2], gradient.data(), scratch, kWorkspace);
  std::printf("%-4s %-5s %4d channels %3dx%3dx%3d", half ? "bf16" : "f32",
              layout == CUDNN_TENSOR_NHWC ? "NDHWC" : "NCDHW", s.channels, s.size[0], s.size[1], s.size[2]);
  for (const Best& b : {best_of(forward.data(), count[0], half), best_of(data.data(), count[1], half),
                        best_of(gradient.data(), count[2], half)}) {
    if (b.algorithm < 0)
      std::printf("        none     ");
    else
      std::printf("  %8.3f ms (%d)", b.ms, b.algorithm);
  }
  std::printf("\n");
  std::fflush(stdout);
  for (void* each : {x, y, w, scratch}) cudaFree(each);
  cudnnDestroyConvolutionDescriptor(convolution);
  cudnnDestroyFilterDescriptor(weights);
  cudnnDestroyTensorDescriptor(tensor);
}

}  // namespace

int main(int argc, char** argv) {
  std::array<int, 4> sizes{4, 112, 112, 80};
  for (int i = 1; i < argc && i <= 4; ++i) sizes[static_cast<std::size_t>(i) - 1] = std::atoi(argv[i]);
  cudnnHandle_t handle;
  check(cudnnCreate(&handle), "cudnnCreate");
  std::printf("precision, layout, stage; forward, data gradient, weight gradient (algorithm)\n");
  for (const auto type : {CUDNN_DATA_FLOAT, CUDNN_DATA_BFLOAT16}) {
    for (const auto layout : {CUDNN_TENSOR_NHWC, CUDNN_TENSOR_NCHW}) {
      for (int stage = 0; stage < 5; ++stage) {
        measure(handle, {16 << stage, sizes[0], {sizes[1] >> stage, sizes[2] >> stage, sizes[3] >> stage}},
                type, layout);
      }
    }
  }
  cudnnDestroy(handle);
}
