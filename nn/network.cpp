#include "nn/network.h"

#include "engine/ops/region.h"
#include "nn/architectures.h"
#include "nn/check.h"

namespace duet {

Encoding released(Encoding encoding) {
  // The bottleneck is read at once; skips wait for their stage of the decoder.
  for (std::size_t i = 0; i + 1 < encoding.stages.size(); ++i)
    encoding.stages[i] = encoding.stages[i].released();
  return encoding;
}

Encoding repeat(Backend& backend, const Encoding& encoding, Index times) {
  if (times == 1) return encoding;
  Encoding folded;
  for (const Var& stage : encoding.stages) folded.stages.push_back(repeat_batch(backend, stage, times));
  return folded;
}

namespace {

std::unique_ptr<Network> make_from(const LayerSource& source) {
  check_config(source.config);
  DUET_CHECK(source.dtype == DType::f32 || source.dtype == DType::f64, "network: type ",
             name_of(source.dtype), " should be f32 or f64");
  return source.config.architecture == "vnet" ? make_vnet(source) : make_unet(source);
}

}  // namespace

std::unique_ptr<Network> make_network(Backend& backend, const NetworkConfig& config, std::uint64_t seed,
                                      std::uint32_t network, DType dtype) {
  DUET_CHECK(network < 16, "network: number ", network, " should be below 16");
  return make_from({backend, config, seed, network, dtype});
}

std::unique_ptr<Network> make_blank_network(Backend& backend, const NetworkConfig& config, DType dtype) {
  LayerSource source{backend, config};
  source.dtype = dtype;
  source.blank = true;
  return make_from(source);
}

Index parameter_count(const Network& network) {
  Index count = 0;
  for (const ParameterPtr& parameter : network.parameters()) count += parameter->value.elements();
  return count;
}

}  // namespace duet
