// Cases of engine/ops/region.h.
#include "engine/ops/region.h"
#include "tests/engine/ops_cases.h"

namespace duet::testing {
namespace {

OpCase sliced(const Shape& x, const Offset5& offset, const Shape& extent) {
  return {"slice", text(extent, " of ", x), {{x}}, [offset, extent](Backend& b, const Operands& in) {
            return slice(b, in[0], offset, extent);
          }};
}

OpCase sampled(const Shape& x, Index begin, Index end) {
  return {
      "samples", text(begin, " to ", end, " of ", x), {{x}}, [begin, end](Backend& b, const Operands& in) {
        return samples(b, in[0], begin, end);
      }};
}

OpCase joined(Axis axis, const std::vector<Shape>& parts) {
  OpCase result{
      "concat", text("axis ", static_cast<int>(axis), ", ", parts.size(), " of ", parts[0]), {}, nullptr};
  for (const Shape& part : parts) result.inputs.push_back({part});
  result.run = [axis](Backend& b, const Operands& in) { return concat(b, axis, in); };
  return result;
}

OpCase padded(const Shape& x, const Offset5& before, const Offset5& after, double value) {
  return {
      "pad",
      text(x, " by ", before[1], " ", after[1], " with ", value),
      {{x}},
      [before, after, value](Backend& b, const Operands& in) { return pad(b, in[0], before, after, value); }};
}

void add_pools(std::vector<OpCase>& cases, const Shape& x, const PoolSpec& spec) {
  const std::string name = text(x, " kernel ", spec.kernel[0], spec.kernel[1], spec.kernel[2], " stride ",
                                spec.stride[2], " padding ", spec.padding[2]);
  cases.push_back(
      {"max_pool", name, {{x, Role::data, Values::separated}}, [spec](Backend& b, const Operands& in) {
         return max_pool(b, spec, in[0]);
       }});
  cases.push_back({"average_pool", name, {{x}}, [spec](Backend& b, const Operands& in) {
                     return average_pool(b, spec, in[0]);
                   }});
}

void add_upsamples(std::vector<OpCase>& cases, const Shape& x, const Triple& factor) {
  for (const UpsampleKind kind : {UpsampleKind::nearest, UpsampleKind::trilinear}) {
    cases.push_back(
        {kind == UpsampleKind::nearest ? "upsample nearest" : "upsample trilinear",
         text(x, " by ", factor[0], " ", factor[1], " ", factor[2]),
         {{x}},
         [kind, factor](Backend& b, const Operands& in) { return upsample(b, kind, factor, in[0]); }});
  }
}

}  // namespace

std::vector<OpCase> region_cases() {
  std::vector<OpCase> cases = {
      sliced({1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}, {1, 1, 1, 1, 1}),
      sliced({3, 4, 5, 6, 7}, {1, 2, 0, 3, 2}, {1, 2, 5, 2, 3}),
      sliced({2, 3, 4, 5, 3}, {0, 0, 0, 0, 0}, {2, 3, 4, 5, 3}),
      sliced({2, 2, 4, 5, 3}, {1, 0, 0, 0, 0}, {1, 2, 4, 5, 3}),
      sliced({2, 3, 4, 5, 8}, {0, 0, 0, 0, 5}, {2, 3, 4, 5, 3}),
      sliced({1, 1, 7, 5, 2}, {0, 0, 1, 1, 0}, {1, 1, 5, 3, 2}),
      sliced({1, 5, 3, 1, 17}, {0, 4, 2, 0, 16}, {1, 1, 1, 1, 1}),
      sliced({4, 2, 3, 2, 1}, {1, 1, 1, 0, 0}, {2, 1, 2, 2, 1}),
      sampled({4, 2, 3, 2, 3}, 0, 2),
      sampled({4, 3, 2, 2, 3}, 2, 4),
      sampled({4, 2, 2, 3, 3}, 0, 4),
      sampled({5, 1, 1, 1, 1}, 4, 5),
      sampled({1, 1, 7, 5, 2}, 0, 1),
      sampled({3, 2, 1, 3, 1}, 1, 2),
      sampled({3, 5, 3, 1, 17}, 1, 3),
      sampled({2, 1, 1, 1, 4}, 0, 1),
      joined(Axis::n, {{1, 2, 3, 2, 3}, {3, 2, 3, 2, 3}}),
      joined(Axis::d, {{2, 1, 3, 2, 3}, {2, 4, 3, 2, 3}}),
      joined(Axis::h, {{2, 3, 1, 2, 1}, {2, 3, 2, 2, 1}, {2, 3, 5, 2, 1}}),
      joined(Axis::w, {{1, 1, 3, 2, 2}, {1, 1, 3, 5, 2}}),
      joined(Axis::c, {{2, 3, 5, 4, 3}, {2, 3, 5, 4, 8}}),
      joined(Axis::c, {{1, 1, 7, 5, 1}, {1, 1, 7, 5, 1}, {1, 1, 7, 5, 1}}),
      joined(Axis::c, {{2, 4, 4, 4, 8}, {2, 4, 4, 4, 16}}),
      joined(Axis::c, {{1, 1, 1, 1, 1}, {1, 1, 1, 1, 17}}),
      joined(Axis::n, {{2, 3, 1, 4, 5}}),  // one part
      padded({2, 3, 5, 4, 3}, {0, 1, 1, 1, 0}, {0, 1, 1, 1, 0}, 0.0),
      padded({1, 1, 1, 1, 1}, {0, 1, 2, 0, 0}, {0, 0, 0, 3, 0}, -2.5),
      padded({1, 1, 7, 5, 2}, {0, 0, 2, 1, 0}, {0, 0, 0, 3, 0}, 1.0),
      padded({2, 2, 3, 2, 3}, {1, 0, 0, 0, 0}, {2, 0, 0, 0, 0}, 0.5),
      padded({2, 2, 3, 3, 3}, {0, 0, 0, 0, 1}, {0, 0, 0, 0, 4}, 0.5),
      padded({2, 3, 3, 2, 3}, {0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}, 3.0),
      padded({1, 5, 3, 1, 17}, {1, 1, 0, 2, 3}, {0, 2, 1, 0, 1}, 0.0),
      padded({4, 3, 1, 1, 2}, {0, 3, 0, 0, 0}, {0, 0, 4, 0, 0}, 0.0),
  };
  Index times = 1;
  for (const Shape& x : common_shapes()) {
    times = times % 4 + 1;
    cases.push_back(
        {"repeat_batch", text(x, " times ", times), {{x}}, [times](Backend& b, const Operands& in) {
           return repeat_batch(b, in[0], times);
         }});
  }
  const PoolSpec half{}, overlap{{3, 3, 3}, {2, 2, 2}, {1, 1, 1}}, smooth{{3, 3, 3}, {1, 1, 1}, {1, 1, 1}};
  add_pools(cases, {2, 4, 6, 2, 3}, half);
  add_pools(cases, {1, 5, 7, 3, 2}, half);  // a rest that no window reaches
  add_pools(cases, {3, 2, 2, 2, 8}, half);  // output 1
  add_pools(cases, {1, 1, 6, 4, 5}, {{1, 2, 2}, {1, 2, 2}, {0, 0, 0}});
  add_pools(cases, {2, 5, 6, 3, 3}, overlap);
  add_pools(cases, {1, 1, 1, 1, 1}, overlap);  // stride 2, output 1
  add_pools(cases, {1, 3, 4, 5, 17}, smooth);
  add_pools(cases, {1, 8, 7, 5, 2}, {{2, 1, 3}, {3, 2, 1}, {1, 0, 2}});  // gaps between windows
  add_pools(cases, {1, 3, 5, 4, 1}, {{3, 5, 4}, {1, 1, 1}, {0, 0, 0}});  // one window
  for (const Shape& x :
       std::vector<Shape>{{1, 1, 1, 1, 1}, {2, 3, 2, 4, 3}, {3, 2, 1, 3, 1}, {1, 2, 3, 1, 17}}) {
    add_upsamples(cases, x, {2, 2, 2});
  }
  add_upsamples(cases, {2, 1, 4, 3, 4}, {1, 2, 2});
  add_upsamples(cases, {1, 2, 3, 2, 2}, {3, 1, 4});
  add_upsamples(cases, {1, 2, 2, 3, 3}, {1, 1, 1});
  add_upsamples(cases, {1, 4, 3, 2, 8}, {2, 3, 2});
  return cases;
}

}  // namespace duet::testing
