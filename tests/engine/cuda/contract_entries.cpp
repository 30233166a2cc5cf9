#include "tests/engine/cuda/contract_entries.h"

namespace duet::testing {

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

static NormSpec instance() {
  NormSpec spec;
  spec.kind = NormKind::instance;
  return spec;
}

static NormOperands operands(const Tensors& t) {
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

static DropoutSpec half_of_channels() {
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

}  // namespace duet::testing
