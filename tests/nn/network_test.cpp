// Shapes, names, parameter counts and Monte Carlo passes.
#include <doctest/doctest.h>
#include <set>

#include "engine/autograd/backward.h"
#include "engine/ops/loss.h"
#include "nn/layers.h"
#include "tests/nn/small_network.h"
#include "tests/support/backends.h"

using namespace duet;
using namespace duet::testing;

namespace {

ForwardContext sampling(Backend& backend, Index first, Index folds) {
  ForwardContext context{backend};
  context.dropout = DropoutMode::monte_carlo;
  context.norm = NormMode::batch_no_update;
  context.seed = 3;
  context.step = 7;
  context.first_pass = first;
  context.folds = folds;
  return context;
}

}  // namespace

TEST_CASE("V-Net of width 16 with batch norm has UA-MT's 9,448,866 parameters") {
  const auto backend = testing::make_first_tested();
  NetworkConfig config;
  config.norm = NormKind::batch;
  const auto network = make_network(*backend, config, 1, 0);
  CHECK(parameter_count(*network) == 9448866);
  CHECK(network->stride() == Triple{16, 16, 16});
  config.dimensions = 2;
  config.width = 4;
  CHECK(make_network(*backend, config, 1, 0)->stride() == Triple{1, 16, 16});
}

TEST_CASE("names and sizes are PyTorch's") {
  const auto backend = testing::make_first_tested();
  const auto network = make_network(*backend, small("vnet", NormKind::batch), 1, 0);
  std::map<std::string, std::vector<Index>> shapes;
  for (const NamedTensor& tensor : network->state()) {
    CHECK(shapes.emplace(tensor.name, pytorch_shape(tensor)).second);
  }
  CHECK(shapes.at("enc.0.0.weight") == std::vector<Index>{2, 1, 3, 3, 3});
  CHECK(shapes.at("enc.2.6.weight") == std::vector<Index>{8, 8, 3, 3, 3});
  CHECK(shapes.at("enc.2.7.running_var") == std::vector<Index>{8});
  CHECK(shapes.at("down.1.0.weight") == std::vector<Index>{8, 4, 2, 2, 2});
  CHECK(shapes.at("up.0.0.weight") == std::vector<Index>{8, 4, 2, 2, 2});
  CHECK(shapes.at("up.1.1.bias") == std::vector<Index>{2});
  CHECK(shapes.at("dec.0.3.weight") == std::vector<Index>{4, 4, 3, 3, 3});
  CHECK(shapes.at("head.weight") == std::vector<Index>{2, 2, 1, 1, 1});
  CHECK(shapes.count("dec.1.3.weight") == 0);

  NetworkConfig flat = small("unet", NormKind::instance, 2);
  flat.activation = Activation::prelu;
  const auto unet = make_network(*backend, flat, 1, 0);
  shapes.clear();
  for (const NamedTensor& tensor : unet->state()) shapes[tensor.name] = pytorch_shape(tensor, 2);
  CHECK(shapes.at("dec.1.0.weight") == std::vector<Index>{2, 4, 3, 3});
  CHECK(shapes.at("up.0.weight") == std::vector<Index>{8, 4, 2, 2});
  CHECK(shapes.at("enc.0.2.weight") == std::vector<Index>{1});
  CHECK(shapes.at("enc.0.3.weight") == std::vector<Index>{2, 2, 3, 3});

  const auto tail = [](const Network& of) {
    std::set<std::string> names;
    for (const ParameterPtr& parameter : of.tail_parameters()) names.insert(parameter->name);
    return names;
  };
  CHECK(tail(*network) == std::set<std::string>{"dec.1.0.weight", "dec.1.0.bias", "dec.1.1.weight",
                                                "dec.1.1.bias", "head.weight", "head.bias"});
  CHECK(tail(*unet) == std::set<std::string>{"dec.1.0.weight", "dec.1.0.bias", "dec.1.1.weight",
                                             "dec.1.1.bias", "dec.1.2.weight", "dec.1.3.weight",
                                             "dec.1.3.bias", "dec.1.4.weight", "dec.1.4.bias",
                                             "dec.1.5.weight", "head.weight", "head.bias"});
}

TEST_CASE("PyTorch's order and back") {
  const auto backend = testing::make_first_tested();
  // ours (Co=1,kD=1,kH=1,kW=2,Ci=2): tap 0 channels 0,1, tap 1 channels 0,1.
  const std::vector<double> ours = {0, 10, 1, 11};
  NamedTensor tensor{"w", from_values(backend->memory, {1, 1, 1, 2, 2}, DType::f32, ours),
                     NamedTensor::Layout::conv};
  std::vector<Index> shape;
  CHECK(to_pytorch_order(tensor, shape) == std::vector<float>{0, 1, 10, 11});
  CHECK(shape == std::vector<Index>{1, 2, 1, 1, 2});
  to_pytorch_order(tensor, shape, 2);
  CHECK(shape == std::vector<Index>{1, 2, 1, 2});
  from_pytorch_order(tensor, std::vector<float>{5, 6, 7, 8});
  CHECK(to_values(tensor.value) == std::vector<double>{5, 7, 6, 8});
  CHECK_THROWS_AS(from_pytorch_order(tensor, std::vector<float>{5, 6}), Error);
}

TEST_CASE("shapes of every kind of network, forward and backward; encode and decode are forward") {
  int made = 0;
  for (const std::string& name : testing::tested_backends()) {
    const auto backend = testing::make_tested(name);
    for (const char* architecture : {"vnet", "unet"}) {
      for (const int dimensions : {2, 3}) {
        for (const NormKind norm : {NormKind::batch, NormKind::instance, NormKind::group}) {
          for (const Activation activation : {Activation::relu, Activation::leaky_relu, Activation::prelu}) {
            NetworkConfig config = small(architecture, norm, dimensions);
            config.activation = activation;
            config.depth = 2 + made % 3;
            config.classes = 2 + made % 2;
            config.input_channels = 1 + made % 2;
            config.dropout = made % 2 == 0 ? DropoutKind::channels : DropoutKind::elements;
            ++made;
            const auto network = make_network(*backend, config, 1, 0);
            const auto [d, h, w] = network->stride();
            const Shape shape{2, dimensions == 2 ? 1 : 2 * d, h, 2 * w, config.input_channels};
            const Var x = image(*backend, shape);
            ForwardContext context{*backend};
            context.norm = NormMode::batch_no_update;
            context.dropout = DropoutMode::train;
            const Var y = network->forward(context, x);
            CHECK(y.shape() == shape.with_channels(config.classes));
            const Encoding encoding = network->encode(context, x);
            CHECK(encoding.stages.size() == static_cast<std::size_t>(config.depth));
            CHECK(difference(network->decode(context, encoding).value(), y.value()) == 0.0);
            // Also where nothing is recorded, and the encoding's values are made again.
            {
              const Encoding recipes = released(network->encode(context, x));
              const NoGrad no_grad;
              CHECK(difference(network->decode(context, recipes).value(), y.value()) == 0.0);
            }
            const LossTerm term{reduce_mean(*backend, {}, y), 1.0};
            backward(*backend, {&term, 1});
            for (const ParameterPtr& p : network->parameters()) CHECK_MESSAGE(p->has_gradient, p->name);
          }
        }
      }
    }
  }
  MESSAGE(made << " networks");
}

TEST_CASE("folded Monte Carlo passes are separate ones, and share the encoder") {
  for (const std::string& name : testing::tested_backends()) {
    const auto backend = testing::make_tested(name);
    for (const char* architecture : {"vnet", "unet"}) {
      for (const NormKind norm : {NormKind::instance, NormKind::batch}) {
        for (const DropoutKind kind : {DropoutKind::channels, DropoutKind::elements}) {
          CAPTURE(name);
          CAPTURE(std::string(architecture));
          NetworkConfig config = small(architecture, norm);
          config.dropout = kind;
          // PReLU adds the skip, and so repeats it, by itself; the others within the norm.
          if (kind == DropoutKind::elements) config.activation = Activation::prelu;
          config.width = 4;
          const auto network = make_network(*backend, config, 1, 0);
          const Var x = image(*backend, {2, 8, 8, 8, 1});
          const NoGrad nothing_recorded;
          const Index passes = 3;

          backend->work.conv_samples = 0;
          const Encoding encoding = network->encode(sampling(*backend, 0, 1), x);
          const Tensor folded = network->decode(sampling(*backend, 0, passes), encoding).value();
          const auto shared_work = backend->work.conv_samples;
          CHECK(folded.shape() == Shape{2 * passes, 8, 8, 8, 2});

          backend->work.conv_samples = 0;
          for (Index k = 0; k < passes; ++k) {
            const Tensor one = network->forward(sampling(*backend, k, 1), x).value();
            const Tensor fold = folded.samples(2 * k, 2 * k + 2);
            CHECK(difference(one, fold) <= 1e-5);
            if (k > 0) CHECK(difference(fold, folded.samples(0, 2)) > 1e-3);
          }
          CHECK(shared_work < backend->work.conv_samples);
          // The samples of a batch may be taken apart, too, where statistics do not mix them.
          if (norm == NormKind::instance) {
            ForwardContext second = sampling(*backend, 1, 1);
            second.first_sample = 1;
            const Var part = Var::constant(x.value().samples(1, 2));
            CHECK(difference(network->forward(second, part).value(), folded.samples(3, 4)) <= 1e-5);
          }
        }
      }
    }
  }
}

TEST_CASE("dropout masks are equal bit for bit however passes are folded and on every backend") {
  std::vector<std::vector<double>> masks;
  for (const std::string& name : testing::tested_backends()) {
    const auto backend = testing::make_tested(name);
    for (const DropoutKind kind : {DropoutKind::channels, DropoutKind::elements}) {
      const DropoutLayer layer{1, kind, 0.5};
      const Tensor ones = backend->filled({2, 3, 2, 5, 6}, DType::f32, 1.0);
      const Encoding once{{Var::constant(ones)}};
      const Var repeated = repeat(*backend, once, 4).stages[0];
      const Tensor folded = apply(sampling(*backend, 0, 4), layer, repeated).value();
      for (Index k = 0; k < 4; ++k) {
        const Tensor one = apply(sampling(*backend, k, 1), layer, Var::constant(ones)).value();
        CHECK(to_values(one) == to_values(folded.samples(2 * k, 2 * k + 2)));
      }
      ForwardContext training = sampling(*backend, 0, 1);
      training.dropout = DropoutMode::train;  // a pass of its own
      CHECK(to_values(apply(training, layer, Var::constant(ones)).value()) !=
            to_values(folded.samples(0, 2)));
      if (kind == DropoutKind::elements) masks.push_back(to_values(folded));
    }
  }
  for (const auto& mask : masks) CHECK(mask == masks[0]);
}

TEST_CASE("with p = 0 all passes are one") {
  const auto backend = testing::make_first_tested();
  NetworkConfig config = small("vnet", NormKind::batch);
  config.dropout_p = 0.0;
  const auto network = make_network(*backend, config, 1, 0);
  const NoGrad nothing_recorded;
  const Tensor y = network->forward(sampling(*backend, 0, 2), image(*backend, {1, 8, 8, 8, 1})).value();
  CHECK(difference(y.samples(0, 1), y.samples(1, 2)) == 0.0);
}

TEST_CASE("running statistics move in training only, once a forward") {
  const auto backend = testing::make_first_tested();
  const auto network = make_network(*backend, small("vnet", NormKind::batch), 1, 0);
  const Var x = image(*backend, {2, 8, 8, 8, 1});
  auto buffer = [&] { return to_values(network->state()[4].value); };
  REQUIRE(network->state()[4].name == "enc.0.1.running_mean");
  const auto first = buffer();
  ForwardContext context{*backend};
  for (const NormMode mode : {NormMode::batch_no_update, NormMode::running}) {
    context.norm = mode;
    network->forward(context, x);
    CHECK(buffer() == first);
  }
  context.norm = NormMode::batch;
  const Encoding encoding = network->encode(context, x);
  const auto moved = buffer();
  CHECK(moved != first);
  network->decode(context, encoding);
  CHECK(buffer() == moved);
}
