// A segmentation network with its encoder and decoder apart, so that Monte Carlo passes share all that stands
// before the first dropout. Trainers, prediction and checkpoints know networks only through this.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/autograd/var.h"
#include "engine/ops/norm.h"
#include "nn/context.h"

namespace duet {

enum class Activation { relu, leaky_relu, prelu };
enum class DropoutKind { channels, elements };
enum class Initialisation { kaiming, xavier };

struct NetworkConfig {
  std::string architecture = "vnet";  // or "unet"
  int dimensions = 3;                 // 2: kernels and strides 1 along D
  Index input_channels = 1;
  Index classes = 2;
  Index width = 16;  // channels of the first stage; doubled at each further one
  int depth = 5;     // stages, the bottleneck included
  NormKind norm = NormKind::instance;
  Index norm_groups = 8;
  Activation activation = Activation::relu;
  double activation_slope = 0.01;  // of leaky ReLU, and where PReLU starts
  DropoutKind dropout = DropoutKind::channels;
  double dropout_p = 0.5;
  Initialisation initialisation = Initialisation::kaiming;
};

// What the decoder starts from: the features of each stage, top first; the last is the bottleneck, before its
// dropout.
struct Encoding {
  std::vector<Var> stages;
};

// A value to be saved: a parameter or a buffer such as running statistics.
struct NamedTensor {
  std::string name;  // PyTorch's, "enc.0.0.weight"
  Tensor value;      // shares the network's memory
  enum class Layout {
    plain,
    conv,
    conv_transpose
  } layout;  // how value maps to PyTorch's order, see nn/README.md
};

// The encoding without the values that a recorded decode can do without (their recipes are enough). Not for
// decoding many times.
Encoding released(Encoding encoding);

class Network {
 public:
  virtual ~Network() = default;
  virtual const NetworkConfig& config() const = 0;

  // x (N,D,H,W,input_channels); sizes divisible by stride(), else EngineError with the nearest sizes that
  // are.
  virtual Encoding encode(const ForwardContext& context, const Var& x) = 0;
  // Logits (N,D,H,W,classes); encoding's batch is folded (repeated) when context.folds > 1.
  virtual Var decode(const ForwardContext& context, const Encoding& encoding) = 0;
  Var forward(const ForwardContext& context, const Var& x) {
    Encoding encoding = encode(context, x);
    return decode(context, context.folds == 1 ? released(std::move(encoding)) : encoding);
  }

  virtual std::vector<ParameterPtr> parameters() const = 0;
  // Parameters of the last decoder stage and the head: the default lanes.
  virtual std::vector<ParameterPtr> tail_parameters() const = 0;
  virtual std::vector<NamedTensor> state() const = 0;  // parameters and buffers, in a fixed order
  virtual Triple stride() const = 0;                   // 2^(depth-1) along each axis in use
};

// The encoding with its batch `times` over, pass-major, for folded passes. Shares memory when times is 1.
Encoding repeat(Backend& backend, const Encoding& encoding, Index times);

// Weights are drawn from (seed, network): kaiming or xavier, norm scales 1, biases and shifts 0. dtype f32 or
// f64.
std::unique_ptr<Network> make_network(Backend& backend, const NetworkConfig& config, std::uint64_t seed,
                                      std::uint32_t network, DType dtype = DType::f32);
// The same with weights of 0, for those that a file has: drawing takes longer than reading.
std::unique_ptr<Network> make_blank_network(Backend& backend, const NetworkConfig& config,
                                            DType dtype = DType::f32);

Index parameter_count(const Network& network);

}  // namespace duet
