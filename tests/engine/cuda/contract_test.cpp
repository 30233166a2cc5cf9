// Each entry of the kernel contract makes at least one launch or vendor call, and nothing goes between host
// and device on the way. That no entry is forgotten is read off the headers.
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/engine/cuda/host_driver.h"

namespace duet::testing {
namespace {

const Shape kX{2, 4, 4, 4, 6}, kHalf{2, 2, 2, 2, 6}, kScores{2, 4, 4, 4, 3}, kOne{2, 4, 4, 4, 1};
const Shape kVector = Shape::vector(6), kScalar = Shape::scalar(), kSamples{2, 1, 1, 1, 6};
const Conv3dSpec kSame{}, kHalving{{2, 2, 2}, {2, 2, 2}, {0, 0, 0}};
const Shape kWeights{6, 3, 3, 3, 6}, kUp{6, 2, 2, 2, 6}, kPoint{6, 1, 1, 1, 6};

using Call = std::function<void(Backend&, HostDriver&)>;
using Entries = std::map<std::string, Call>;

// Makes the operands, clears the driver's notes, runs the kernel.
template <class Kernel>
Call entry(std::vector<std::pair<Shape, DType>> operands, const Kernel& kernel) {
  return [operands, kernel](Backend& b, HostDriver& driver) {
    std::vector<Tensor> made;
    for (const auto& [shape, type] : operands) made.push_back(b.filled(shape, type, 1.0));
    driver.calls = {};
    kernel(b, made);
  };
}

using Tensors = std::vector<Tensor>;
constexpr DType f = DType::f32, u8 = DType::u8;

Entries convolution_entries() {
  return {
      {"conv3d_forward", entry({{kX, f}, {kWeights, f}, {kVector, f}, {kX, f}},
                               [](Backend& b, const Tensors& t) {
                                 b.convolution->conv3d_forward(kSame, t[0].cview(), t[1].cview(),
                                                               t[2].cview(), t[3].view());
                               })},
      {"conv3d_backward_data", entry({{kX, f}, {kWeights, f}, {kX, f}},
                                     [](Backend& b, const Tensors& t) {
                                       b.convolution->conv3d_backward_data(kSame, t[0].cview(), t[1].cview(),
                                                                           t[2].view(), Accum::add);
                                     })},
      {"conv3d_backward_weights", entry({{kX, f}, {kX, f}, {kWeights, f}},
                                        [](Backend& b, const Tensors& t) {
                                          b.convolution->conv3d_backward_weights(
                                              kSame, t[0].cview(), t[1].cview(), t[2].view(), Accum::add);
                                        })},
      {"conv_transpose3d_forward", entry({{kHalf, f}, {kUp, f}, {kVector, f}, {kX, f}},
                                         [](Backend& b, const Tensors& t) {
                                           b.convolution->conv_transpose3d_forward(kHalving, t[0].cview(),
                                                                                   t[1].cview(), t[2].cview(),
                                                                                   t[3].view());
                                         })},
      {"conv_transpose3d_backward_data", entry({{kX, f}, {kUp, f}, {kHalf, f}},
                                               [](Backend& b, const Tensors& t) {
                                                 b.convolution->conv_transpose3d_backward_data(
                                                     kHalving, t[0].cview(), t[1].cview(), t[2].view(),
                                                     Accum::add);
                                               })},
      {"conv_transpose3d_backward_weights", entry({{kHalf, f}, {kX, f}, {kUp, f}},
                                                  [](Backend& b, const Tensors& t) {
                                                    b.convolution->conv_transpose3d_backward_weights(
                                                        kHalving, t[0].cview(), t[1].cview(), t[2].view(),
                                                        Accum::add);
                                                  })},
      {"pointwise_conv_forward", entry({{kX, f}, {kSamples, f}, {kPoint, f}, {kVector, f}, {kX, f}},
                                       [](Backend& b, const Tensors& t) {
                                         b.convolution->pointwise_conv_forward(t[0].cview(), t[1].cview(),
                                                                               t[2].cview(), t[3].cview(),
                                                                               t[4].view());
                                       })},
      {"pointwise_conv_backward_data", entry({{kX, f}, {kSamples, f}, {kPoint, f}, {kX, f}},
                                             [](Backend& b, const Tensors& t) {
                                               b.convolution->pointwise_conv_backward_data(
                                                   t[0].cview(), t[1].cview(), t[2].cview(), t[3].view(),
                                                   Accum::add);
                                             })},
      {"pointwise_conv_backward_weights", entry({{kX, f}, {kSamples, f}, {kX, f}, {kPoint, f}},
                                                [](Backend& b, const Tensors& t) {
                                                  b.convolution->pointwise_conv_backward_weights(
                                                      t[0].cview(), t[1].cview(), t[2].cview(), t[3].view(),
                                                      Accum::add);
                                                })},
      {"bias_backward", entry({{kX, f}, {kVector, f}},
                              [](Backend& b, const Tensors& t) {
                                b.convolution->bias_backward(t[0].cview(), t[1].view(), Accum::add);
                              })},
  };
}

NormSpec instance() {
  NormSpec spec;
  spec.kind = NormKind::instance;
  return spec;
}

NormOperands operands(const Tensors& t) {
  return {t[0].cview(), t[1].cview(), t[2].cview(), t[3].cview(), t[4].cview(), 0.0};
}

Entries norm_entries() {
  const std::vector<std::pair<Shape, DType>> in{
      {kX, f}, {kSamples, f}, {kSamples, f}, {kVector, f}, {kVector, f}};
  const auto with = [&](std::vector<std::pair<Shape, DType>> more) {
    auto all = in;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const Shape sums{2, 1, 1, 2, 6};
  return {
      {"norm_statistics", entry(in,
                                [](Backend& b, const Tensors& t) {
                                  b.norm->norm_statistics(instance(), t[0].cview(), t[1].view(), t[2].view());
                                })},
      {"norm_forward", entry(with({{kX, f}, {kX, f}}),
                             [](Backend& b, const Tensors& t) {
                               b.norm->norm_forward(instance(), operands(t), t[5].cview(), t[6].view());
                             })},
      {"norm_backward_sums", entry(with({{kX, f}, {sums, f}}),
                                   [](Backend& b, const Tensors& t) {
                                     b.norm->norm_backward_sums(instance(), operands(t), t[5].cview(),
                                                                t[6].view());
                                   })},
      {"norm_backward_parameters", entry({{sums, f}, {kVector, f}, {kVector, f}},
                                         [](Backend& b, const Tensors& t) {
                                           b.norm->norm_backward_parameters(t[0].cview(), t[1].view(),
                                                                            Accum::add, t[2].view(),
                                                                            Accum::write);
                                         })},
      {"norm_backward_data", entry(with({{kX, f}, {sums, f}, {kX, f}}),
                                   [](Backend& b, const Tensors& t) {
                                     b.norm->norm_backward_data(instance(), operands(t), t[5].cview(),
                                                                t[6].cview(), t[7].view(), Accum::add);
                                   })},
      {"norm_update_running", entry({{kVector, f}, {kVector, f}, {kVector, f}, {kVector, f}},
                                    [](Backend& b, const Tensors& t) {
                                      b.norm->norm_update_running(t[0].cview(), t[1].cview(), 9, 0.1,
                                                                  t[2].view(), t[3].view());
                                    })},
  };
}

DropoutSpec half_of_channels() {
  DropoutSpec spec;
  spec.key = {1, Stream::dropout, 0, 1, 2, 0};
  return spec;
}

Entries pointwise_entries() {
  const std::vector<std::pair<Shape, DType>> three{{kX, f}, {kX, f}, {kX, f}};
  const auto kernel = [&](auto body) { return entry(three, body); };
  return {
      {"fill", kernel([](Backend& b, const Tensors& t) { b.pointwise->fill(t[0].view(), 2.0); })},
      {"convert",
       kernel([](Backend& b, const Tensors& t) { b.pointwise->convert(t[0].cview(), t[1].view()); })},
      {"scale", kernel([](Backend& b, const Tensors& t) {
         b.pointwise->scale(t[0].cview(), 2.0, t[1].view(), Accum::add);
       })},
      {"scale_by", entry({{kX, f}, {kScalar, f}, {kX, f}},
                         [](Backend& b, const Tensors& t) {
                           b.pointwise->scale_by(t[0].cview(), t[1].cview(), t[2].view(), Accum::add);
                         })},
      {"add", kernel([](Backend& b, const Tensors& t) {
         b.pointwise->add(t[0].cview(), t[1].cview(), t[2].view());
       })},
      {"multiply", kernel([](Backend& b, const Tensors& t) {
         b.pointwise->multiply(t[0].cview(), t[1].cview(), t[2].view(), Accum::add);
       })},
      {"leaky_relu_forward", kernel([](Backend& b, const Tensors& t) {
         b.pointwise->leaky_relu_forward(t[0].cview(), 0.1, t[1].view());
       })},
      {"leaky_relu_backward", kernel([](Backend& b, const Tensors& t) {
         b.pointwise->leaky_relu_backward(t[0].cview(), t[1].cview(), 0.1, t[2].view(), Accum::add);
       })},
      {"prelu_forward", entry({{kX, f}, {kVector, f}, {kX, f}},
                              [](Backend& b, const Tensors& t) {
                                b.pointwise->prelu_forward(t[0].cview(), t[1].cview(), t[2].view());
                              })},
      {"prelu_backward_data", entry({{kX, f}, {kX, f}, {kVector, f}, {kX, f}},
                                    [](Backend& b, const Tensors& t) {
                                      b.pointwise->prelu_backward_data(t[0].cview(), t[1].cview(),
                                                                       t[2].cview(), t[3].view(), Accum::add);
                                    })},
      {"prelu_backward_slope", entry({{kX, f}, {kX, f}, {kVector, f}},
                                     [](Backend& b, const Tensors& t) {
                                       b.pointwise->prelu_backward_slope(t[0].cview(), t[1].cview(),
                                                                         t[2].view(), Accum::add);
                                     })},
      {"dropout", kernel([](Backend& b, const Tensors& t) {
         b.pointwise->dropout(half_of_channels(), t[0].cview(), t[1].view(), Accum::add);
       })},
      {"dropout_factors", entry({{kSamples, f}},
                                [](Backend& b, const Tensors& t) {
                                  b.pointwise->dropout_factors(half_of_channels(), t[0].view());
                                })},
  };
}

Entries region_entries() {
  const PoolSpec pool{};
  const Triple two{2, 2, 2};
  return {
      {"copy_region",
       entry({{kX, f}, {kX, f}},
             [](Backend& b, const Tensors& t) {
               b.region->copy_region(t[0].cview(), {}, t[1].view(), {}, {2, 3, 2, 1, 5}, Accum::add);
             })},
      {"max_pool_forward", entry({{kX, f}, {kHalf, f}, {kHalf, DType::i32}},
                                 [=](Backend& b, const Tensors& t) {
                                   b.region->max_pool_forward(pool, t[0].cview(), t[1].view(), t[2].view());
                                 })},
      {"max_pool_backward", entry({{kHalf, f}, {kHalf, DType::i32}, {kX, f}},
                                  [=](Backend& b, const Tensors& t) {
                                    b.region->max_pool_backward(pool, t[0].cview(), t[1].cview(), t[2].view(),
                                                                Accum::add);
                                  })},
      {"average_pool_forward", entry({{kX, f}, {kHalf, f}},
                                     [=](Backend& b, const Tensors& t) {
                                       b.region->average_pool_forward(pool, t[0].cview(), t[1].view());
                                     })},
      {"average_pool_backward", entry({{kHalf, f}, {kX, f}},
                                      [=](Backend& b, const Tensors& t) {
                                        b.region->average_pool_backward(pool, t[0].cview(), t[1].view(),
                                                                        Accum::add);
                                      })},
      {"upsample_forward", entry({{kHalf, f}, {kX, f}},
                                 [=](Backend& b, const Tensors& t) {
                                   b.region->upsample_forward(UpsampleKind::trilinear, two, t[0].cview(),
                                                              t[1].view());
                                 })},
      {"upsample_backward", entry({{kX, f}, {kHalf, f}},
                                  [=](Backend& b, const Tensors& t) {
                                    b.region->upsample_backward(UpsampleKind::trilinear, two, t[0].cview(),
                                                                t[1].view(), Accum::add);
                                  })},
  };
}

Entries loss_entries() {
  const Shape sums{1, 1, 1, 3, 3};
  const DiceSpec dice{};
  return {
      {"softmax_forward",
       entry({{kScores, f}, {kScores, f}},
             [](Backend& b, const Tensors& t) { b.loss->softmax_forward(t[0].cview(), t[1].view()); })},
      {"softmax_backward", entry({{kScores, f}, {kScores, f}, {kScores, f}},
                                 [](Backend& b, const Tensors& t) {
                                   b.loss->softmax_backward(t[0].cview(), t[1].cview(), t[2].view(),
                                                            Accum::add);
                                 })},
      {"log_softmax_forward",
       entry({{kScores, f}, {kScores, f}},
             [](Backend& b, const Tensors& t) { b.loss->log_softmax_forward(t[0].cview(), t[1].view()); })},
      {"log_softmax_backward", entry({{kScores, f}, {kScores, f}, {kScores, f}},
                                     [](Backend& b, const Tensors& t) {
                                       b.loss->log_softmax_backward(t[0].cview(), t[1].cview(), t[2].view(),
                                                                    Accum::add);
                                     })},
      {"cross_entropy_forward", entry({{kScores, f}, {kOne, u8}, {kOne, f}, {kScalar, f}, {kScalar, f}},
                                      [](Backend& b, const Tensors& t) {
                                        b.loss->cross_entropy_forward(t[0].cview(), {t[1].cview()},
                                                                      t[2].cview(), t[3].cview(),
                                                                      t[4].view());
                                      })},
      {"cross_entropy_backward",
       entry({{kScores, f}, {kOne, u8}, {kOne, f}, {kScalar, f}, {kScalar, f}, {kScores, f}},
             [](Backend& b, const Tensors& t) {
               b.loss->cross_entropy_backward(t[0].cview(), {t[1].cview()}, t[2].cview(), t[3].cview(),
                                              t[4].cview(), t[5].view(), Accum::add);
             })},
      {"dice_forward", entry({{kScores, f}, {kOne, u8}, {kOne, f}, {sums, DType::f64}, {kScalar, f}},
                             [=](Backend& b, const Tensors& t) {
                               b.loss->dice_forward(dice, t[0].cview(), {t[1].cview()}, t[2].cview(),
                                                    t[3].view(), t[4].view());
                             })},
      {"dice_backward", entry({{kOne, u8}, {kOne, f}, {sums, DType::f64}, {kScalar, f}, {kScores, f}},
                              [=](Backend& b, const Tensors& t) {
                                b.loss->dice_backward(dice, {t[0].cview()}, t[1].cview(), t[2].cview(),
                                                      t[3].cview(), t[4].view(), Accum::add);
                              })},
      {"segmentation_loss_forward",
       entry({{kScores, f}, {kOne, u8}, {kOne, f}, {kScalar, f}, {sums, DType::f64}, {kScalar, f}},
             [=](Backend& b, const Tensors& t) {
               b.loss->segmentation_loss_forward(dice, t[0].cview(), t[1].cview(), t[2].cview(), t[3].cview(),
                                                 t[4].view(), t[5].view());
             })},
      {"segmentation_loss_backward", entry({{kScores, f},
                                            {kOne, u8},
                                            {kOne, f},
                                            {kScalar, f},
                                            {sums, DType::f64},
                                            {kScalar, f},
                                            {kScores, f}},
                                           [=](Backend& b, const Tensors& t) {
                                             b.loss->segmentation_loss_backward(
                                                 dice, t[0].cview(), t[1].cview(), t[2].cview(), t[3].cview(),
                                                 t[4].cview(), t[5].cview(), t[6].view(), Accum::add);
                                           })},
      {"squared_error_forward", entry({{kScores, f}, {kScores, f}, {kOne, f}, {kScalar, f}, {kScalar, f}},
                                      [](Backend& b, const Tensors& t) {
                                        b.loss->squared_error_forward(t[0].cview(), t[1].cview(),
                                                                      t[2].cview(), t[3].cview(),
                                                                      t[4].view());
                                      })},
      {"squared_error_backward",
       entry({{kScores, f}, {kScores, f}, {kOne, f}, {kScalar, f}, {kScalar, f}, {kScores, f}},
             [](Backend& b, const Tensors& t) {
               b.loss->squared_error_backward(t[0].cview(), t[1].cview(), t[2].cview(), t[3].cview(),
                                              t[4].cview(), t[5].view(), Accum::add);
             })},
      {"reduce_sum",
       entry({{kX, f}, {kVector, f}},
             [](Backend& b, const Tensors& t) {
               b.loss->reduce_sum({true, true, false}, t[0].cview(), 2.0, t[1].view(), Accum::add);
             })},
      {"broadcast",
       entry({{kVector, f}, {kX, f}},
             [](Backend& b, const Tensors& t) {
               b.loss->broadcast({true, true, false}, t[0].cview(), 2.0, t[1].view(), Accum::add);
             })},
      {"dot", entry({{kX, f}, {kX, f}, {kScalar, DType::f64}},
                    [](Backend& b, const Tensors& t) {
                      b.loss->dot(t[0].cview(), t[1].cview(), t[2].view(), Accum::add);
                    })},
  };
}

Entries other_entries() {
  const std::vector<std::pair<Shape, DType>> four{{kX, f}, {kX, f}, {kX, f}, {kX, f}};
  const Shape folded = kScores.with_batch(4);
  return {
      {"sgd_step", entry(four,
                         [](Backend& b, const Tensors& t) {
                           b.optimiser->sgd_step({}, 1.0, t[0].cview(), t[1].view(), t[2].view());
                         })},
      {"adamw_step", entry(four,
                           [](Backend& b, const Tensors& t) {
                             b.optimiser->adamw_step({}, 1.0, t[0].cview(), t[1].view(), t[2].view(),
                                                     t[3].view());
                           })},
      {"ema_update",
       entry(four,
             [](Backend& b, const Tensors& t) { b.optimiser->ema_update(0.9, t[0].cview(), t[1].view()); })},
      {"accumulate_samples", entry({{folded, f}, {kScores, f}, {kOne, f}, {kOne, f}},
                                   [](Backend& b, const Tensors& t) {
                                     b.sampling->accumulate_samples(t[0].cview(), 2,
                                                                    {t[1].view(), t[2].view(), t[3].view()},
                                                                    Accum::add);
                                   })},
      {"finish_samples", entry({{kScores, f}, {kOne, f}, {kOne, f}, {kOne, f}},
                               [](Backend& b, const Tensors& t) {
                                 b.sampling->finish_samples(UncertaintyKind::predictive_entropy, 2,
                                                            {t[0].view(), t[1].view(), t[2].view()},
                                                            t[3].view());
                               })},
      {"weights_towards_uncertain", entry({{kOne, f}, {kOne, f}, {kOne, f}},
                                          [](Backend& b, const Tensors& t) {
                                            b.sampling->weights_towards_uncertain(t[0].cview(), 1.0,
                                                                                  t[1].cview(), t[2].view());
                                          })},
      {"weights_towards_certain", entry({{kOne, f}, {kOne, f}, {kOne, f}},
                                        [](Backend& b, const Tensors& t) {
                                          b.sampling->weights_towards_certain(t[0].cview(), 3.0, t[1].cview(),
                                                                              t[2].view());
                                        })},
      {"maximum", entry({{kOne, f}, {kOne, f}, {kOne, f}},
                        [](Backend& b, const Tensors& t) {
                          b.sampling->maximum(t[0].cview(), t[1].cview(), t[2].view());
                        })},
      {"argmax", entry({{kScores, f}, {kOne, u8}},
                       [](Backend& b, const Tensors& t) { b.sampling->argmax(t[0].cview(), t[1].view()); })},
  };
}

// Names of the pure virtual functions that return nothing: those that compute.
std::set<std::string> contract() {
  static const std::regex declaration(R"(virtual void (\w+)\()");
  std::set<std::string> names;
  const auto folder = std::filesystem::path(DUET_SOURCE_DIR) / "engine/kernels";
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream input(file.path());
    std::stringstream text;
    text << input.rdbuf();
    const std::string all = text.str();
    for (std::sregex_iterator i(all.begin(), all.end(), declaration), end; i != end; ++i)
      names.insert((*i)[1]);
  }
  return names;
}

}  // namespace

TEST_CASE("each entry of the contract makes a launch or a vendor call, and stays on the device") {
  Entries all;
  for (const Entries& some : {convolution_entries(), norm_entries(), pointwise_entries(), region_entries(),
                              loss_entries(), other_entries()}) {
    all.insert(some.begin(), some.end());
  }
  std::set<std::string> named;
  for (const auto& [name, call] : all) named.insert(name);
  CHECK(named == contract());

  HostDriver* driver = nullptr;
  const auto backend = make_host_cuda(&driver);
  for (const auto& [name, call] : all) {
    INFO(name);
    call(*backend, *driver);
    CHECK(driver->calls.all() > 0);
    CHECK(driver->calls.uploads + driver->calls.downloads == 0);
    for (const cuda::Launch& launch : driver->calls.launches) {
      INFO(std::string(launch.name));
      CHECK(launch.items > 0);
      CHECK(launch.geometry.threads == cuda::kThreads);
      CHECK(launch.geometry.shared <= 48 * 1024);
      CHECK(launch.geometry.y <= 65535);
      CHECK(launch.geometry.z <= 65535);
    }
  }
  std::cout << "entries of the kernel contract: " << all.size() << std::endl;
}

}  // namespace duet::testing
