#include "engine/backend/cuda/work.h"

#include <type_traits>

namespace duet::cuda {
namespace {

constexpr std::size_t kAlignment = 16;

template <class... Each>
struct Overloaded : Each... {
  using Each::operator()...;
};
template <class... Each>
Overloaded(Each...) -> Overloaded<Each...>;

std::size_t place_behind(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// One number of several, by FNV's step with the upper bits brought down.
template <class... Numbers>
std::uint64_t hash_of(Numbers... numbers) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](std::uint64_t number) {
    hash = (hash ^ number) * 0x100000001b3u;
    hash ^= hash >> 29;
  };
  const auto number_of = [](auto value) {
    if constexpr (std::is_pointer_v<decltype(value)>) {
      return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(value));
    } else {
      return static_cast<std::uint64_t>(value);
    }
  };
  (add(number_of(numbers)), ...);
  return hash;
}

// Whatever may lead a library to another kernel: a row of its kind has run before it is recorded.
std::uint64_t kind_of_call(const GemmWork& w) {
  const GemmCall& c = w.call;
  return hash_of(c.m, c.n, c.k, c.transpose_a, c.transpose_b, c.inputs, c.output, c.a, c.b, c.c, c.beta != 0,
                 w.workspace);
}
std::uint64_t kind_of_call(const ConvWork& w) {
  return hash_of(w.choice.plan.get(), w.call.first, w.call.second, w.call.result, w.workspace);
}

}  // namespace

KernelWork::KernelWork(const Launch& what, const void* function, Arguments list)
    : launch(what), kernel(function) {
  std::size_t all = 0;
  for (const Argument& each : list) {
    sizes_.push_back(each.bytes);
    all += place_behind(each.bytes);
  }
  bytes_.resize(all);
  unsigned char* to = bytes_.data();
  for (const Argument& each : list) {
    std::memcpy(to, each.data, each.bytes);
    to += place_behind(each.bytes);
  }
}

std::vector<Argument> KernelWork::arguments() const {
  std::vector<Argument> list;
  const unsigned char* from = bytes_.data();
  for (const std::size_t bytes : sizes_) {
    list.push_back({from, bytes});
    from += place_behind(bytes);
  }
  return list;
}

void queue(Driver& driver, const Work& work) {
  std::visit(Overloaded{[&](const KernelWork& w) { driver.launch(w.launch, w.kernel, w.arguments()); },
                        [&](const GemmWork& w) { driver.gemm(w.call, w.workspace); },
                        [&](const ConvWork& w) { driver.convolve(w.call, w.choice, w.workspace); },
                        [&](const FillWork& w) { driver.set_bytes(w.to, w.value, w.bytes); }},
             work.of);
}

bool are_exchangeable(const Work& a, const Work& b) {
  if (a.of.index() != b.of.index()) return false;
  if (const auto* kernel = std::get_if<KernelWork>(&a.of)) {
    return kernel->kernel == std::get<KernelWork>(b.of).kernel;
  }
  if (const auto* fill = std::get_if<FillWork>(&a.of)) return fill->bytes == std::get<FillWork>(b.of).bytes;
  return a == b;
}

std::uint64_t kind_of(const Work& work) {
  const std::uint64_t kind = std::visit(Overloaded{[](const KernelWork& w) { return hash_of(w.kernel); },
                                                   [](const FillWork& w) { return hash_of(w.bytes); },
                                                   [](const auto& call) { return kind_of_call(call); }},
                                        work.of);
  return hash_of(work.of.index(), kind);
}

std::uint64_t kind_of(const std::vector<Work>& row) {
  std::uint64_t kind = row.size();
  for (const Work& work : row) kind = hash_of(kind, kind_of(work));
  return kind;
}

}  // namespace duet::cuda
