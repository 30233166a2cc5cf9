#include "engine/backend/cuda/libraries.h"

#include <array>
#include <dlfcn.h>

#include "engine/backend/cuda/device.h"
#include "engine/core/errors.h"

namespace duet::cuda {
namespace {

// By the interface that this was compiled with.
std::string cublas_name() { return text("libcublas.so.", CUBLAS_VER_MAJOR); }
std::string cudnn_name() { return text("libcudnn.so.", CUDNN_MAJOR); }

bool is_open(const std::string& name) { return dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD) != nullptr; }

std::string reason() {
  const char* why = dlerror();
  return why ? why : "no reason given";
}

}  // namespace

Library::Library(const std::string& name) : handle_(dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL)) {
  if (!handle_) throw Error(ExitCode::device, reason());
}

Library::Function Library::get(const char* function) const {
  void* address = dlsym(handle_, function);
  if (!address) throw Error(ExitCode::device, reason());
  return {address};
}

Cublas::Cublas() : Library(cublas_name()) {}
Cudnn::Cudnn() : Library(cudnn_name()) {}

const Cublas& cublas() {
  static const Cublas library;
  return library;
}
const Cudnn& cudnn() {
  static const Cudnn library;
  return library;
}

std::string libraries_absence() {
  try {
    cublas();
    cudnn();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

std::string cublas_version() {
  std::array<int, 3> part{CUBLAS_VER_MAJOR, CUBLAS_VER_MINOR, CUBLAS_VER_PATCH};
  if (is_open(cublas_name())) {
    const libraryPropertyType names[] = {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL};
    for (std::size_t i = 0; i < part.size(); ++i) cublas().property(names[i], &part[i]);
  }
  return text("cuBLAS ", part[0], '.', part[1], '.', part[2]);
}

std::string cudnn_version() {
  const std::size_t v = is_open(cudnn_name()) ? cudnn().version() : CUDNN_VERSION;
  return text("cuDNN ", v / 10000, '.', v / 100 % 100, '.', v % 100);
}

}  // namespace duet::cuda
