// The config of a run as plain values, and the schema of its keys. Called by tools, which read files and
// `--set` through io/config; trainer and prediction take the structs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/kernels/sampling.h"
#include "io/config/config.h"
#include "nn/network.h"
#include "nn/optimiser.h"
#include "nn/schedule.h"

namespace duet {

struct DataConfig {
  std::string dataset;
  Index labelled = -1, validation = 20, report = 0;
  std::uint64_t split_seed = 1;
  bool reorient = true;
  Triple patch{80, 112, 112};  // D H W, after shrink
  Triple shrink{1, 1, 1};      // voxels along each axis that become one
};

enum class TargetKind { hard, soft, squared };
enum class MergeRule { sum, project, balance };  // of the two tasks' lanes, see train/merge.h

struct MethodConfig {
  std::string name = "udct";
  Index networks = 1;  // of supervised
  Index samples = 8;   // T
  Index fold = 1;      // passes run as one batch
  UncertaintyKind uncertainty = UncertaintyKind::predictive_entropy;
  double alpha = 1.0, beta = 3.0;
  TargetKind targets = TargetKind::hard;
  bool coupled = false;
  double lambda_max = 1.0;
  double ramp = 0.4;            // of all iterations
  double warm_up = 0.0;         // of all iterations: labels alone, before the ramp
  double confidence_floor = 0;  // of the greatest probability of a target that counts
  double cutmix = 0;            // share of the unlabelled patches with a box of another one
  bool target_dice = false;     // udct, cps: hard targets have a Dice term, too
  bool target_ema = false;      // udct: targets from moving averages of the pair
  bool taught_by_pair = false;  // udct: targets of both networks are the pair's, not the other one's
  bool alternating = false;     // a step learns one task, the next one the other
  MergeRule merge = MergeRule::sum;
  double balance_decay = 0.9;  // of the running norms
  std::string lanes = "tail";  // or "all", "none"
  bool dice_background = false;
  double ema_decay = 0.99;                // of the teacher
  double noise = 0.1, noise_limit = 0.2;  // on the teacher's input: standard deviation, and where it is cut
  double mask_start = 0.75, mask_end = 1.0;
  Initialisation second_initialisation = Initialisation::xavier;  // of network 2
  std::string second_architecture = "same";                       // of network 2; or "vnet", "unet"
};

struct AugmentConfig {
  Triple flip{0, 0, 0};     // 1: that axis is mirrored half the time
  double brightness = 0.1;  // standard deviation of what is added (images have standard deviation 1)
  double contrast = 0.1;    // the factor lies in [1 - contrast, 1 + contrast]
  double foreground = 0.5;  // share of labelled patches that are centred on a foreground voxel
  double rotate = 0;        // degrees, about each axis at most
  double scale = 0;         // the factor lies in [1 / (1 + scale), 1 + scale], its logarithm uniformly
  double stretch = 0;       // the same, for each axis by itself
  double elastic = 0;       // standard deviation of the displacement, in voxels
  double probability = 1;   // of rotation, of scale and stretch, of the displacement
  double gamma = 0;         // greatest |log gamma|
  double blur = 0;          // greatest standard deviation, in voxels
  double noise = 0;         // standard deviation of what is added to each voxel
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
  double checkpoint_minutes = 10;  // since the last one, whatever the iteration; 0: no matter how long
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

// What each network of the config's method is made from, with classes still to be set.
std::vector<NetworkConfig> network_configs(const RunConfig& config);

// Typed values; adds an error for every value that no run can have (cross-key checks: patch against the
// network's stride, a bottleneck of one voxel under instance norm, ...).
RunConfig to_run_config(const ConfigValues& values, ConfigErrors& errors);

}  // namespace duet
