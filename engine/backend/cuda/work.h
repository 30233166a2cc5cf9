// What a Driver is asked to queue, as values: to be compared, recorded and queued again. Made by replay.cpp,
// turned into graphs by recording.cpp.
#pragma once

#include <cstdint>
#include <cstring>
#include <variant>

#include "engine/backend/cuda/driver.h"

namespace duet::cuda {

// A kernel with its own copy of the arguments.
class KernelWork {
 public:
  KernelWork(const Launch& launch, const void* kernel, Arguments arguments);

  Launch launch;
  const void* kernel;
  // Into this; valid while it is.
  std::vector<Argument> arguments() const;

  // Bytes between the members of an argument count, too: two that differ in them alone pass for different.
  friend bool operator==(const KernelWork& a, const KernelWork& b) {
    return a.kernel == b.kernel && a.launch.geometry == b.launch.geometry && a.sizes_ == b.sizes_ &&
           a.bytes_ == b.bytes_;
  }

 private:
  std::vector<std::size_t> sizes_;
  std::vector<unsigned char> bytes_;  // each argument aligned as memory is
};

struct GemmWork {
  GemmCall call;
  void* workspace;
  friend bool operator==(const GemmWork&, const GemmWork&) = default;
};

struct ConvWork {
  ConvCall call;
  ConvChoice choice;
  void* workspace;
  friend bool operator==(const ConvWork&, const ConvWork&) = default;
};

struct FillWork {  // set_bytes
  void* to;
  int value;
  std::size_t bytes;
  friend bool operator==(const FillWork&, const FillWork&) = default;
};

struct Work {
  std::variant<KernelWork, GemmWork, ConvWork, FillWork> of;
  friend bool operator==(const Work&, const Work&) = default;
};

void queue(Driver& driver, const Work& work);

// Whether one may take the other's place in a recording: kernels of one function, fills of one size. Calls
// of a library only take the place of equal ones.
bool are_exchangeable(const Work& a, const Work& b);
// Equal for exchangeable works, and for rows of such.
std::uint64_t kind_of(const Work& work);
std::uint64_t kind_of(const std::vector<Work>& row);

// Works in one piece, as Driver::record makes it.
class Recording {
 public:
  virtual ~Recording() = default;
  // From the next run() on `work` is done in place of the i-th; they are exchangeable.
  virtual void exchange(std::size_t i, const Work& work) = 0;
  virtual void run() = 0;
};

}  // namespace duet::cuda
