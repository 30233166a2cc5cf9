#include "engine/backend/onednn/floor.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "engine/backend/onednn/plans.h"

namespace duet::onednn {
namespace {

// Arguments of a built primitive by the pass that it runs.
struct Roles {
  int x, weights, y;
};

Roles roles_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    case ConvPass::data:
      return {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST};
    case ConvPass::weights:
      break;
  }
  return {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST};
}

dnnl::memory operand(const dnnl::engine& engine, const dnnl::memory::desc& desc) {
  dnnl::memory memory(desc, engine);
  // 0x3c3c is 0.0115 in bf16, and so is 0x3c3c3c3c in f32: no zeros, no denormals.
  if (desc.get_size() > 0) std::memset(memory.get_data_handle(), 0x3c, desc.get_size());
  return memory;
}

std::optional<AloneTime> run(const dnnl::engine& engine, ConvPass pass, const Problem& problem,
                             const AloneRequest& request) {
  Built built;
  try {
    built = build_alone(engine, pass, problem, request.bf16, request.blocked);
  } catch (const dnnl::error&) {
    return std::nullopt;
  }
  const Roles roles = roles_of(pass);
  dnnl::stream stream(engine);
  const std::unordered_map<int, dnnl::memory> arguments{
      {roles.x, operand(engine, built.x)},
      {roles.weights, operand(engine, built.weights)},
      {roles.y, operand(engine, built.y)},
      {DNNL_ARG_SCRATCHPAD, operand(engine, built.scratch)}};
  AloneTime time{1e30, built.implementation};
  for (int i = 0; i <= request.repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    built.primitive.execute(stream, arguments);
    stream.wait();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (i > 0) time.seconds = std::min(time.seconds, took.count());
  }
  return time;
}

}  // namespace
}  // namespace duet::onednn

namespace duet {

std::optional<AloneTime> onednn_convolution_alone(const AloneRequest& request) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const onednn::Problem problem{request.spec, request.x, request.w,
                                conv3d_output_shape(request.spec, request.x, request.w)};
  std::optional<AloneTime> best = onednn::run(engine, request.pass, problem, request);
  if (request.pass != ConvPass::data || !onednn::can_flip(problem)) return best;
  const auto turned = onednn::run(engine, ConvPass::forward, onednn::flipped(problem), request);
  if (turned && (!best || turned->seconds < best->seconds)) best = turned;
  return best;
}

}  // namespace duet
