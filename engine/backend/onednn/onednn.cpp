#include "engine/backend/onednn/onednn.h"

#include "engine/backend/onednn/convolution.h"
#include "engine/backend/onednn/norm.h"
#include "engine/backend/onednn/plans.h"
#include "engine/backend/onednn/pool.h"
#include "engine/backend/ref/ref.h"

namespace duet {

std::unique_ptr<Backend> make_onednn_backend() {
  auto backend = std::make_unique<Backend>();
  const auto memory = Allocator::create(host_memory());
  backend->name = "onednn";
  backend->memory = memory;
  backend->host = memory;
  backend->staging = memory;
  backend->convolution = onednn::make_convolution(memory, make_ref_convolution(memory));
  backend->norm = onednn::make_norm(memory, make_ref_norm(memory));
  backend->fast_bf16 = onednn::has_bf16();
  backend->pointwise = make_ref_pointwise(memory);
  backend->region = onednn::make_region(make_ref_region());
  backend->loss = make_ref_loss(memory);
  backend->optimiser = make_ref_optimiser();
  backend->sampling = make_ref_sampling();
  return backend;
}

std::string onednn_version() { return onednn::version(); }

std::string onednn_implementation(ConvPass pass, const Conv3dSpec& spec, const Shape& x, const Shape& w,
                                  DType activations) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const onednn::Problem problem{spec, x, w, conv3d_output_shape(spec, x, w), activations};
  return onednn::make_plan(engine, {pass, problem}).run.implementation;
}

}  // namespace duet
