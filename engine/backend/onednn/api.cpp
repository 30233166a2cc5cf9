#include "engine/backend/onednn/api.h"

#include "engine/core/errors.h"

namespace duet::onednn {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

constexpr auto kF32 = memory::data_type::f32;
constexpr auto kMethod = algorithm::convolution_direct;

// The arguments of every convolution descriptor.
struct Arguments {
  memory::desc x, w, b, y;
  memory::dims stride, padding;
};

memory::data_type data_type(DType type) { return type == DType::bf16 ? memory::data_type::bf16 : kF32; }

Arguments arguments(const Problem& p, bool bias, DType weights_type) {
  const auto dims = [](const Triple& t) { return memory::dims{t[0], t[1], t[2]}; };
  const memory::desc weights({p.w.n, p.w.c, p.w.d, p.w.h, p.w.w}, data_type(weights_type),
                             memory::format_tag::any);
  const memory::desc b = bias ? memory::desc({p.w.n}, kF32, memory::format_tag::a) : memory::desc();
  return {activation_desc(p.x, p.type), weights, b, activation_desc(p.y, p.type), dims(p.spec.stride),
          dims(p.spec.padding)};
}

// Scratch is given by us, from the tracked allocator; `add` sums onto what the output holds.
dnnl::primitive_attr attributes(bool add) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (add) {
    dnnl::post_ops ops;
    ops.append_sum(1.0F);
    attr.set_post_ops(ops);
  }
  return attr;
}

#if DNNL_VERSION_MAJOR >= 3

Forward::primitive_desc forward_desc(const dnnl::engine& engine, const Arguments& a, bool add) {
  return {engine,
          dnnl::prop_kind::forward_training,
          kMethod,
          a.x,
          a.w,
          a.b,
          a.y,
          a.stride,
          a.padding,
          a.padding,
          attributes(add)};
}

BackwardData::primitive_desc data_desc(const dnnl::engine& engine, const Arguments& a) {
  return {engine,
          kMethod,
          a.x,
          a.w,
          a.y,
          a.stride,
          a.padding,
          a.padding,
          forward_desc(engine, a, false),
          attributes(false)};
}

// `hint`: the forward convolution that this belongs to.
BackwardWeights::primitive_desc weights_desc(const dnnl::engine& engine, const Arguments& a,
                                             const Arguments& hint) {
  return {engine,
          kMethod,
          a.x,
          a.w,
          a.y,
          a.stride,
          a.padding,
          a.padding,
          forward_desc(engine, hint, false),
          attributes(false)};
}

#else

Forward::primitive_desc forward_desc(const dnnl::engine& engine, const Arguments& a, bool add) {
  const Forward::desc op(dnnl::prop_kind::forward_training, kMethod, a.x, a.w, a.b, a.y, a.stride, a.padding,
                         a.padding);
  return {op, attributes(add), engine};
}

BackwardData::primitive_desc data_desc(const dnnl::engine& engine, const Arguments& a) {
  const BackwardData::desc op(kMethod, a.x, a.w, a.y, a.stride, a.padding, a.padding);
  return {op, attributes(false), engine, forward_desc(engine, a, false)};
}

// `hint`: the forward convolution that this belongs to.
BackwardWeights::primitive_desc weights_desc(const dnnl::engine& engine, const Arguments& a,
                                             const Arguments& hint) {
  const BackwardWeights::desc op(kMethod, a.x, a.w, a.y, a.stride, a.padding, a.padding);
  return {op, attributes(false), engine, forward_desc(engine, hint, false)};
}

#endif

const char* name_of_isa(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    default:
      return "another instruction set";
  }
}

}  // namespace

memory::desc activation_desc(const Shape& x, DType type) {
  return {{x.n, x.c, x.d, x.h, x.w}, data_type(type), memory::format_tag::ndhwc};
}

memory::desc transformed_weights_desc(const Shape& w) {
  return {{w.n, w.c, w.d, 4, 6}, kF32, memory::format_tag::abcde};
}

memory::desc plain_weights_desc(const Shape& w) {
  return {{w.n, w.c, w.d, w.h, w.w}, kF32, memory::format_tag::odhwi};
}

Built build_forward(const dnnl::engine& engine, const Problem& p, bool bias, bool add) {
  const auto desc = forward_desc(engine, arguments(p, bias, p.type), add);
  return {Forward(desc),    desc.src_desc(),        desc.weights_desc(), desc.dst_desc(),
          desc.bias_desc(), desc.scratchpad_desc(), desc.impl_info_str()};
}

Built build_backward_data(const dnnl::engine& engine, const Problem& p) {
  const auto desc = data_desc(engine, arguments(p, false, p.type));
  return {BackwardData(desc),     desc.diff_src_desc(), desc.weights_desc(), desc.diff_dst_desc(), {},
          desc.scratchpad_desc(), desc.impl_info_str()};
}

Built build_backward_weights(const dnnl::engine& engine, const Problem& p) {
  const auto desc = weights_desc(engine, arguments(p, false, DType::f32), arguments(p, false, p.type));
  return {BackwardWeights(desc),  desc.src_desc(),     desc.diff_weights_desc(), desc.diff_dst_desc(), {},
          desc.scratchpad_desc(), desc.impl_info_str()};
}

Built build_alone(const dnnl::engine& engine, ConvPass pass, const Problem& p, bool bf16, bool blocked) {
  const auto type = bf16 ? memory::data_type::bf16 : kF32;
  Arguments a = arguments(p, false, p.type);
  for (memory::desc* desc : {&a.x, &a.y}) {
    const Shape& s = desc == &a.x ? p.x : p.y;
    *desc = {{s.n, s.c, s.d, s.h, s.w}, type, blocked ? memory::format_tag::any : memory::format_tag::ndhwc};
  }
  a.w = {{p.w.n, p.w.c, p.w.d, p.w.h, p.w.w}, type, memory::format_tag::any};
  if (pass == ConvPass::forward) {
    const auto desc = forward_desc(engine, a, false);
    return {Forward(desc),          desc.src_desc(),     desc.weights_desc(), desc.dst_desc(), {},
            desc.scratchpad_desc(), desc.impl_info_str()};
  }
  if (pass == ConvPass::data) {
    const auto desc = data_desc(engine, a);
    return {BackwardData(desc),     desc.diff_src_desc(), desc.weights_desc(), desc.diff_dst_desc(), {},
            desc.scratchpad_desc(), desc.impl_info_str()};
  }
  const Arguments hint = a;
  a.w = {{p.w.n, p.w.c, p.w.d, p.w.h, p.w.w}, kF32, memory::format_tag::any};
  const auto desc = weights_desc(engine, a, hint);
  return {BackwardWeights(desc),  desc.src_desc(),     desc.diff_weights_desc(), desc.diff_dst_desc(), {},
          desc.scratchpad_desc(), desc.impl_info_str()};
}

Built build_reorder(const dnnl::engine& engine, const memory::desc& from, const memory::desc& to, bool add) {
  const dnnl::reorder::primitive_desc desc(engine, from, engine, to, attributes(add));
  Built built;
  built.primitive = dnnl::reorder(desc);
  built.scratch = desc.scratchpad_desc();
  built.implementation = desc.impl_info_str();
  return built;
}

std::string version() {
  const dnnl::version_t* v = dnnl::version();
  return text("oneDNN ", v->major, '.', v->minor, '.', v->patch, " (",
              name_of_isa(dnnl::get_effective_cpu_isa()), ')');
}

bool has_bf16() {
  // Values are sets of bits, larger ones of what came later.
  const auto bits = [](dnnl::cpu_isa isa) { return static_cast<unsigned>(isa); };
  const unsigned wanted = bits(dnnl::cpu_isa::avx512_core_bf16);
  return (bits(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}

}  // namespace duet::onednn
