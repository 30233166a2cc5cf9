#include "tests/engine/cuda/contract_entries.h"

namespace duet::testing {

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
                           b.optimiser->sgd_step({}, 1.0, {{t[0].cview(), t[1].view(), t[2].view()}});
                         })},
      {"adamw_step",
       entry(four,
             [](Backend& b, const Tensors& t) {
               b.optimiser->adamw_step({}, 1.0, {{t[0].cview(), t[1].view(), t[2].view(), t[3].view()}});
             })},
      {"ema_update", entry(four,
                           [](Backend& b, const Tensors& t) {
                             b.optimiser->ema_update(0.9, {{t[0].cview(), t[1].view()}});
                           })},
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

}  // namespace duet::testing
