#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

std::unique_ptr<Backend> make_backend(std::shared_ptr<Driver> driver) {
  const auto memory = Allocator::create({
      [driver](std::size_t bytes) { return driver->allocate(bytes); },
      [driver](void* pointer, std::size_t) { driver->release(pointer); },
      [driver](void* to, const void* from, std::size_t bytes) { driver->upload(to, from, bytes); },
      [driver](void* to, const void* from, std::size_t bytes) { driver->download(to, from, bytes); },
      [driver](void* to, int value, std::size_t bytes) { driver->set_bytes(to, value, bytes); },
  });
  const Room room{driver, memory};
  auto backend = std::make_unique<Backend>();
  backend->name = "cuda";
  backend->memory = memory;
  backend->host = Allocator::create(host_memory());
  backend->staging =
      Allocator::create({[driver](std::size_t bytes) { return driver->allocate_staging(bytes); },
                         [driver](void* pointer, std::size_t) { driver->release_staging(pointer); }});
  backend->convolution = make_convolution(room);
  backend->norm = make_norm(room);
  backend->pointwise = make_pointwise(room);
  backend->region = make_region(room);
  backend->loss = make_loss(room);
  backend->optimiser = make_optimiser(room);
  backend->sampling = make_sampling(room);
  backend->wait = [driver] { driver->synchronize(); };
  backend->upload_beside = [driver](void* to, const void* from, std::size_t bytes) {
    driver->upload_beside(to, from, bytes);
  };
  backend->await_uploads = [driver] { driver->await_uploads(); };
  backend->fast_bf16 = true;
  return backend;
}

}  // namespace duet::cuda
