// The CPU room's own maxima over windows against the reference's, value and position, forward and backward.
#include <limits>

#include "engine/backend/onednn/pool.h"
#include "tests/engine/onednn_numbers.h"

namespace duet::testing {
namespace {

Tensor positions(Backend& backend, const Shape& shape) { return backend.empty(shape, DType::i32); }

void check_pool(const Shape& shape, const PoolSpec& spec, DType type, std::uint32_t& id,
                bool special = false) {
  INFO(shape, " kernel ", spec.kernel[0], spec.kernel[1], spec.kernel[2], ' ', name_of(type));
  REQUIRE(onednn::fits_pool(spec, shape, type));
  Backend &fast = backend_of("onednn"), &ref = ref_backend();
  Pair x = normal_pair(shape, type, id++);
  if (special) {  // equals, infinities and NaN, each in windows of its own and together
    std::vector<double> values = to_values(x.value);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double odd[] = {1.0, 1.0, -std::numeric_limits<double>::infinity(), std::nan("")};
      if (i % 3 != 0) values[i] = odd[i / 7 % (i % 5 == 0 ? 4 : 3)];
    }
    x = pair_of(shape, type, values);
  }
  const Shape to = pool_output_shape(spec, shape);
  const Tensor where = positions(fast, to), expected_where = positions(ref, to),
               expected = unwritten_exact(to);
  const Tensor y = for_any_threads([&] {
    const Tensor made = unwritten(to, type);
    fast.region->max_pool_forward(spec, x.value.cview(), made.view(), where.view());
    return made;
  });
  ref.region->max_pool_forward(spec, x.exact.cview(), expected.view(), expected_where.view());
  const auto got = to_values(y), wanted = to_values(expected);
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK((got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i]))));
  CHECK(same_bytes(where, expected_where));

  const Pair dy = normal_pair(to, type, id++), before = normal_pair(shape, type, id++);
  for (const Accum accum : {Accum::write, Accum::add}) {
    const Tensor dx = for_any_threads([&] {
      const Tensor made = begun(accum, before);
      fast.region->max_pool_backward(spec, dy.value.cview(), where.cview(), made.view(), accum);
      return made;
    });
    const Tensor expected_dx = begun_exact(before);
    ref.region->max_pool_backward(spec, dy.exact.cview(), expected_where.cview(), expected_dx.view(), accum);
    check_near(dx, expected_dx, bound_of(type));
  }
}

}  // namespace

TEST_CASE("max_pool: windows side by side, channels of half and whole vectors, 2D, NaN and equals") {
  std::uint32_t id = 700;
  for (const DType type : {DType::f32, DType::bf16}) {
    check_pool({2, 4, 6, 8, 8}, {}, type, id);
    check_pool({1, 2, 4, 2, 16}, {}, type, id);
    check_pool({2, 2, 2, 6, 24}, {}, type, id);
    check_pool({1, 4, 4, 4, 32}, {}, type, id, true);
    check_pool({1, 4, 4, 4, 8}, {}, type, id, true);
    check_pool({2, 3, 6, 4, 16}, {{1, 2, 2}, {1, 2, 2}, {0, 0, 0}}, type, id);
    check_pool({1, 3, 6, 5, 8}, {{3, 2, 5}, {3, 2, 5}, {0, 0, 0}}, type, id);
  }
}

TEST_CASE("max_pool leaves to the reference what overlaps, is padded, leaves a rest or has odd channels") {
  const Shape x{1, 4, 4, 4, 8};
  CHECK(onednn::fits_pool({}, x, DType::f32));
  CHECK_FALSE(onednn::fits_pool({}, x, DType::f64));
  CHECK_FALSE(onednn::fits_pool({}, x.with_channels(12), DType::f32));
  CHECK_FALSE(onednn::fits_pool({}, {1, 4, 5, 4, 8}, DType::f32));
  CHECK_FALSE(onednn::fits_pool({{3, 3, 3}, {2, 2, 2}, {1, 1, 1}}, x, DType::f32));
  CHECK_FALSE(onednn::fits_pool({{2, 2, 2}, {2, 2, 2}, {1, 1, 1}}, x, DType::f32));
}

}  // namespace duet::testing
