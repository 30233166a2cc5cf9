#include "engine/backend/ref/ref.h"

namespace duet {

std::unique_ptr<Backend> make_ref_backend() {
  auto backend = std::make_unique<Backend>();
  const auto memory = Allocator::create(host_memory());
  backend->name = "ref";
  backend->memory = memory;
  backend->host = memory;
  backend->staging = memory;
  backend->convolution = make_ref_convolution(memory);
  backend->norm = make_ref_norm(memory);
  backend->pointwise = make_ref_pointwise(memory);
  backend->region = make_ref_region();
  backend->loss = make_ref_loss(memory);
  backend->optimiser = make_ref_optimiser();
  backend->sampling = make_ref_sampling();
  return backend;
}

}  // namespace duet
