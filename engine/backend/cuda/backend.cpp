#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

void multiply(const Room& room, const GemmCall& call) {
  if (call.m <= 0 || call.n <= 0) return;
  const Scratch workspace(room.memory, room.driver->workspace(call), "workspace of a product of matrices");
  room.driver->gemm(call, workspace.data());
}

bool convolve(const Room& room, const ConvCall& call) {
  const ConvChoice choice = room.driver->choose(call, room.memory);
  if (!choice.plan) return false;
  Scratch workspace;
  if (choice.workspace > 0) {  // most plans need none, and no name for it
    const std::string who = text("workspace of a convolution of x ", call.x, " with w ", call.w);
    workspace = Scratch(room.memory, choice.workspace, who.c_str());
  }
  room.driver->convolve(call, choice, workspace.data());
  return true;
}

std::unique_ptr<Backend> make_backend(const std::shared_ptr<Driver>& driver) {
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
  backend->mark = [driver] { return driver->mark(); };
  backend->seconds = [driver](const Mark& from, const Mark& to) { return driver->seconds(from, to); };
  backend->upload_beside = [driver](void* to, const void* from, std::size_t bytes) {
    driver->upload_beside(to, from, bytes);
  };
  backend->await_uploads = [driver] { driver->await_uploads(); };
  backend->fast_bf16 = true;
  return backend;
}

}  // namespace duet::cuda
