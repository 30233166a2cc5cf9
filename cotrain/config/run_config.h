// The config of a run as plain values, and the schema of its keys. Called by tools, which read files and
// `--set` through io/config; trainer and prediction take the structs.
#pragma once

#include <cstdint>
#include <string>

#include "engine/kernels/sampling.h"
#include "io/config/config.h"
#include "nn/network.h"
#include "nn/optimiser.h"
#include "nn/schedule.h"

namespace duet {

struct DataConfig {
  std::string dataset;
  Index labelled = -1, validation = 20, report = 0;
  bool reorient = true;
  Triple patch{80, 112, 112};  // D H W
};

enum class TargetKind { hard, soft, squared };

struct MethodConfig {
  std::string name = "udct";
  Index samples = 8;  // T
  Index fold = 1;     // passes run as one batch
  UncertaintyKind uncertainty = UncertaintyKind::predictive_entropy;
  double alpha = 1.0, beta = 3.0;
  TargetKind targets = TargetKind::hard;
  bool coupled = false;
  double lambda_max = 1.0;
  double ramp = 0.4;  // of all iterations
  std::string merge = "sum";
  std::string lanes = "tail";  // or "all", "none"
  bool dice_background = false;
  double ema_decay = 0.99;                // of the teacher
  double noise = 0.1, noise_limit = 0.2;  // on the teacher's input: standard deviation, and where it is cut
  double mask_start = 0.75, mask_end = 1.0;
  Initialisation second_initialisation = Initialisation::xavier;  // of network 2
};

struct AugmentConfig {
  Triple flip{0, 0, 0};     // 1: that axis is mirrored half the time
  double brightness = 0.1;  // standard deviation of what is added (images have standard deviation 1)
  double contrast = 0.1;    // the factor lies in [1 - contrast, 1 + contrast]
  double foreground = 0.5;  // share of labelled patches that are centred on a foreground voxel
};

struct TrainingConfig {
  Index iterations = 6000;
  Index labelled_batch = 2, unlabelled_batch = 2;
  bool recompute = false;  // outputs of convolutions in backward, where what they are made from is kept
  bool bf16 = false;       // activations and their gradients; weights, statistics and losses stay f32
  double learning_rate = 0.01;
  OptimiserConfig optimiser;
  ScheduleConfig schedule;
  Index validate_every = 500, checkpoint_every = 500;
  std::uint64_t seed = 1;
  Index shard_mib = 0;        // most MiB of a checkpoint's files; 0: any size
  Index loading_threads = 1;  // that make batches beside the step; no result depends on it
};

struct InferenceConfig {
  double overlap = 0.5;  // of neighbouring windows, along each axis
  Triple stride{};       // of windows, where not 0: instead of the overlap
  Index samples = 8;     // Monte Carlo passes of the uncertainty map
  bool largest_component = false;
};

struct RunConfig {
  DataConfig data;
  NetworkConfig model;
  MethodConfig method;
  AugmentConfig augment;
  TrainingConfig training;
  InferenceConfig inference;
};

// Every key with its default, bounds and explanation.
ConfigSchema run_schema();

// Typed values; adds an error for every value that no run can have (cross-key checks: patch against the
// network's stride, a bottleneck of one voxel under instance norm, ...).
RunConfig to_run_config(const ConfigValues& values, ConfigErrors& errors);

}  // namespace duet
