#include "nn/check.h"

#include <algorithm>

#include "nn/architectures.h"

namespace duet {
namespace {

constexpr int kLargestDepth = 8;
constexpr Index kLargestWidth = 1024;

std::string by(const Triple& sizes) { return text(sizes[0], 'x', sizes[1], 'x', sizes[2]); }

// "96 or 112"; below one stride only the one above.
std::string nearest_multiples(Index size, Index stride) {
  const Index below = size / stride * stride;
  return below > 0 ? text(below, " or ", below + stride) : text(stride);
}

// Kernel taps along the axes in use.
Index taps(const NetworkConfig& config, Index size) {
  return config.dimensions == 3 ? size * size * size : size * size;
}

}  // namespace

Triple network_stride(const NetworkConfig& config) {
  const Index stride = Index{1} << (config.depth - 1);
  return {config.dimensions == 3 ? stride : 1, stride, stride};
}

void check_config(const NetworkConfig& config) {
  DUET_CHECK(config.architecture == "vnet" || config.architecture == "unet", "network: architecture '",
             config.architecture, "' should be vnet or unet");
  DUET_CHECK(config.dimensions == 2 || config.dimensions == 3, "network: dimensions ", config.dimensions,
             " should be 2 or 3");
  DUET_CHECK(config.input_channels >= 1, "network: input_channels ", config.input_channels,
             " should be 1 or more");
  DUET_CHECK(config.classes >= 2 && config.classes <= 256, "network: classes ", config.classes,
             " should be 2 to 256, the background included");
  DUET_CHECK(config.width >= 1 && config.width <= kLargestWidth, "network: width ", config.width,
             " should be 1 to ", kLargestWidth);
  DUET_CHECK(config.depth >= 2 && config.depth <= kLargestDepth, "network: depth ", config.depth,
             " should be 2 to ", kLargestDepth);
  DUET_CHECK(config.dropout_p >= 0.0 && config.dropout_p < 1.0, "network: dropout_p ", config.dropout_p,
             " should be in [0, 1)");
  DUET_CHECK(config.activation != Activation::leaky_relu || config.activation_slope > 0.0,
             "network: activation_slope ", config.activation_slope, " should be above 0");
  DUET_CHECK(
      config.norm != NormKind::group || (config.norm_groups >= 1 && config.width % config.norm_groups == 0),
      "network: norm_groups ", config.norm_groups, " should divide the width, ", config.width);
}

void check_patch(const NetworkConfig& config, const Triple& patch, Index least_batch) {
  const Triple stride = network_stride(config);
  const char* axes[] = {"D", "H", "W"};
  std::string wrong;
  Index bottleneck = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    if (patch[i] < 1 || patch[i] % stride[i] != 0) {
      wrong +=
          text(wrong.empty() ? "" : "; ", patch[i], " along ", axes[i], " is not divisible by ", stride[i],
               ", the nearest sizes that are: ", nearest_multiples(std::max<Index>(patch[i], 0), stride[i]));
    }
    bottleneck *= patch[i] / stride[i];
  }
  DUET_CHECK(wrong.empty(), config.architecture, " of depth ", config.depth, ": size ", by(patch), ": ",
             wrong);
  DUET_CHECK(config.norm != NormKind::instance || bottleneck > 1, config.architecture, " of depth ",
             config.depth, ": size ", by(patch),
             " leaves a bottleneck of one voxel, which instance norm cannot normalise; take ", 2 * patch[2],
             " along an axis, less depth, or group or batch norm");
  DUET_CHECK(config.norm != NormKind::batch || bottleneck * least_batch > 1, config.architecture,
             " of depth ", config.depth, ": size ", by(patch),
             " leaves a bottleneck of one voxel, of which batch norm has one value where a network sees one "
             "patch alone; take ",
             2 * patch[2], " along an axis, less depth, two patches of each kind, or group norm");
}

void check_input(const NetworkConfig& config, const Shape& x) {
  DUET_CHECK(x.c == config.input_channels, config.architecture, ": input ", x, " should have ",
             config.input_channels, " channels");
  check_patch(config, x.spatial());
}

void check_encoding(const NetworkConfig& config, const Encoding& encoding) {
  DUET_CHECK(encoding.stages.size() == static_cast<std::size_t>(config.depth), config.architecture,
             ": encoding of ", encoding.stages.size(), " stages, expected ", config.depth);
}

std::size_t estimate_step_bytes(const NetworkConfig& config, const Triple& patch, Index batch, bool bf16) {
  const bool vnet = config.architecture == "vnet";
  double recorded = 0.0, largest = 0.0, parameters = 0.0;
  Triple size = patch;
  const Triple factor = halving_spec(config).stride;
  for (int i = 0; i < config.depth; ++i) {
    const double channels = static_cast<double>(stage_channels(config, i));
    const double map = static_cast<double>(batch * size[0] * size[1] * size[2]) * channels;
    const bool bottom = i + 1 == config.depth;
    const int convolutions = vnet ? vnet_convolutions(i) : kUnetConvolutions;
    // A unit keeps what its convolution puts out (the rest is made again from it), PReLU also what it puts
    // out.
    const double unit = config.activation == Activation::prelu ? 2.0 : 1.0;
    double maps = unit * convolutions * (bottom ? 1 : 2);
    if (vnet) {
      maps += unit * ((i > 0 ? 1.0 : 0.0) + (bottom ? 0.0 : 1.0));  // down; up
    } else {
      maps += (i > 0 ? 1.0 : 0.0) + (bottom ? 0.0 : 2.0);  // pooled, with positions; the concatenation
    }
    recorded += maps * map;
    largest = std::max(largest, map);
    const double square = channels * channels;
    parameters += static_cast<double>(taps(config, 3)) * square * convolutions *
                  (bottom ? 1.0
                   : vnet ? 2.0
                          : 2.5);
    if (!bottom) parameters += static_cast<double>(taps(config, 2)) * square * (vnet ? 4.0 : 2.0);
    for (std::size_t k = 0; k < 3; ++k) size[k] /= factor[k];
  }
  const double logits =
      static_cast<double>(batch * patch[0] * patch[1] * patch[2]) * static_cast<double>(config.classes);
  // In flight: gradients in and out of a unit, and its input made again or a skip's gradient. Weights: value,
  // gradient, momentum, packed copy.
  const double maps = recorded + 3.0 * largest, bytes = bf16 ? 2.0 : 4.0;
  return static_cast<std::size_t>(bytes * maps + 4.0 * (4.0 * logits + 4.0 * parameters));
}

}  // namespace duet
