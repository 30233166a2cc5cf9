#include "cotrain/config/run_config.h"

namespace duet {

ConfigSchema run_schema() {
  const RunConfig d;
  constexpr double kMany = 1e9;
  return {
      string_key("data.dataset", "",
                 "dataset.json of the data set (Medical Segmentation Decathlon form); relative to where duet "
                 "is started"),
      integer_key("data.labelled", d.data.labelled, -1, 1e6,
                  "cases that keep their labels for training; -1: all that are left"),
      integer_key("data.validation", d.data.validation, 0, 1e6,
                  "labelled cases used to choose, never to train"),
      integer_key("data.report", d.data.report, 0, 1e6, "labelled cases kept for the final report"),
      integer_key(
          "data.split_seed", static_cast<Index>(d.data.split_seed), 0, 9e15,
          "draws the validation and report cases, which so are the same whatever training.seed is; the "
          "labelled ones are drawn by training.seed"),
      bool_key("data.reorient", d.data.reorient,
               "turn axes towards RAS on reading, and back on writing; a single slice stays one along D"),
      triple_key("data.patch", d.data.patch, 1, 4096,
                 "patch that the network sees, in voxels [D, H, W] = [k, j, i] of the NIfTI axes"),
      triple_key(
          "data.shrink", d.data.shrink, 1, 8,
          "voxels along [D, H, W] that are averaged into one before anything else (labels: the most "
          "frequent class); patch, stride and augmentation count those; duet predict gives its results "
          "on the image's own grid"),

      choice_key("model.architecture", d.model.architecture, {"vnet", "unet"},
                 "network of all learners, but for network 2 where model.second_architecture says so"),
      choice_key("model.second_architecture", d.method.second_architecture, {"same", "vnet", "unet"},
                 "network 2 of a pair; width, depth and all else are those of network 1"),
      integer_key("model.dimensions", d.model.dimensions, 2, 3,
                  "2: kernels work inside slices, patch D is 1"),
      integer_key("model.width", d.model.width, 1, 512,
                  "channels of the first stage; doubled at each further one"),
      integer_key("model.depth", d.model.depth, 2, 7, "stages, the bottleneck included"),
      choice_key("model.norm", "instance", {"batch", "instance", "group"},
                 "normalisation after each convolution"),
      integer_key("model.norm_groups", d.model.norm_groups, 1, 512, "groups of group norm"),
      choice_key("model.activation", "relu", {"relu", "leaky_relu", "prelu"}, "after each norm"),
      number_key("model.activation_slope", d.model.activation_slope, 1e-6, 1.0,
                 "slope of leaky ReLU; where PReLU starts"),
      choice_key("model.dropout", "channels", {"channels", "elements"}, "what dropout zeroes"),
      number_key("model.dropout_p", d.model.dropout_p, 0.0, 0.95, "probability of dropout"),
      choice_key("model.initialisation", "kaiming", {"kaiming", "xavier"}, "weights of network 1"),
      choice_key("model.second_initialisation", "xavier", {"kaiming", "xavier"}, "weights of network 2"),

      choice_key("method.name", d.method.name, {"supervised", "mean_teacher", "ua_mt", "cps", "udct"},
                 "supervised: one network, labelled cases only; mean_teacher: it also learns from its moving "
                 "average; ua_mt: only where that one is certain; cps: two networks, each learns from the "
                 "other's classes; udct: uncertainty-aware deep co-training"),
      integer_key(
          "method.networks", d.method.networks, 1, 2,
          "supervised: 2 trains two networks side by side, so that their mean prediction stands beside "
          "that of methods with a pair; the other methods know their own number"),
      integer_key(
          "method.samples", d.method.samples, 0, 1000,
          "udct, ua_mt: T, Monte Carlo passes a step; 0: the one prediction that is there stands in for "
          "their mean"),
      integer_key(
          "method.fold", d.method.fold, 1, 1000,
          "udct: passes run as one batch: faster for small patches, more memory; same samples (those of "
          "ua_mt run one by one, each on noise of its own)"),
      choice_key("method.uncertainty", "predictive_entropy",
                 {"predictive_entropy", "expected_entropy", "mutual_information", "variance"},
                 "what the losses are weighted by"),
      number_key("method.alpha", d.method.alpha, 0.0, 100.0, "udct: supervised weights are 1 + alpha U"),
      number_key("method.beta", d.method.beta, 0.0, 100.0, "udct: unsupervised weights are exp(-beta U)"),
      choice_key(
          "method.targets", "hard", {"hard", "soft", "squared"},
          "udct, of unlabelled voxels: the other network's argmax, its probabilities (cross-entropy), or "
          "squared error"),
      choice_key("method.coupling", "detached", {"detached", "coupled"},
                 "udct, coupled: a term between both predictions sends gradient into both networks"),
      number_key("method.lambda_max", d.method.lambda_max, 0.0, 100.0,
                 "weight of the unsupervised terms after the ramp; mean_teacher, ua_mt and cps as published: "
                 "0.2 (their "
                 "code has 0.1 beside half of our supervised loss)"),
      number_key("method.ramp", d.method.ramp, 0.0, 1.0,
                 "share of the iterations over which lambda rises (and ua_mt's threshold); public code of "
                 "mean_teacher, ua_mt and cps: 1"),
      number_key("method.warm_up", d.method.warm_up, 0.0, 1.0,
                 "share of the iterations that learn from labels alone, lambda 0; the ramp begins after it"),
      number_key("method.confidence_floor", d.method.confidence_floor, 0.0, 1.0,
                 "udct, cps: unlabelled voxels whose target's greatest probability is below this have weight "
                 "0; they still count in the mean"),
      number_key("method.cutmix", d.method.cutmix, 0.0, 1.0,
                 "share of the unlabelled patches that learn with a box of the next one in their place, "
                 "image and target alike; targets are made of whole images"),
      bool_key("method.target_dice", d.method.target_dice,
               "udct, cps: hard targets have the Dice term of the labels beside cross-entropy, under the "
               "same weights"),
      bool_key(
          "method.target_ema", d.method.target_ema,
          "udct: targets and their uncertainties come from moving averages of the pair (method.ema_decay) "
          "under dropout of their own; supervised weights stay with the network's own passes"),
      choice_key("method.taught_by", "other", {"other", "pair"},
                 "udct, of unlabelled voxels: targets and their uncertainty come from the other network's "
                 "passes, or from those of both together"),
      choice_key("method.step", "joint", {"joint", "alternating"},
                 "methods with two tasks, joint: both in every step; alternating: the labels in steps 0, 2, "
                 "..., the unlabelled patches in steps 1, 3, ..."),
      choice_key(
          "method.merge", "sum", {"sum", "project", "balance"},
          "how the lanes of the two tasks become one gradient, network by network; project: where they "
          "disagree each loses its part along the other first; balance: the unsupervised one, before "
          "lambda, is scaled to the running norm of the supervised one; what has no lanes is summed"),
      number_key("method.balance_decay", d.method.balance_decay, 0.0, 0.9999,
                 "balance: a running norm is this of itself and the rest of the step's"),
      choice_key("method.lanes", d.method.lanes, {"tail", "all", "none"},
                 "parameters with one gradient a task: last decoder stage and head, all, none"),
      bool_key("method.dice_background", d.method.dice_background, "count the background in the Dice loss"),
      number_key("method.ema_decay", d.method.ema_decay, 0.0, 1.0,
                 "mean_teacher, ua_mt, target_ema: a teacher is min(1 - 1 / (t + 1), this) of itself and the "
                 "rest of "
                 "its network after each step t = 0, 1, ..."),
      number_key("method.noise", d.method.noise, 0.0, 10.0,
                 "mean_teacher, ua_mt: standard deviation of the noise on the teacher's input"),
      number_key("method.noise_limit", d.method.noise_limit, 0.0, 100.0,
                 "mean_teacher, ua_mt: noise beyond this, on either side, is cut to it"),
      number_key("method.mask_start", d.method.mask_start, 0.0, 2.0,
                 "ua_mt: a voxel counts where U < mask_start + (mask_end - mask_start) ramp, the ramp being "
                 "lambda's, from 0.0067 to 1"),
      number_key("method.mask_end", d.method.mask_end, 0.0, 2.0,
                 "ua_mt: the threshold after the ramp; U is 1 at most"),

      triple_key("augment.flip", d.augment.flip, 0, 1, "mirror [D, H, W] half the time where 1"),
      number_key("augment.brightness", d.augment.brightness, 0.0, 10.0,
                 "standard deviation of a constant added to a patch"),
      number_key("augment.contrast", d.augment.contrast, 0.0, 0.9,
                 "a patch is multiplied by 1 +- this at most"),
      number_key("augment.foreground", d.augment.foreground, 0.0, 1.0,
                 "share of labelled patches centred on a foreground voxel, classes in turn"),
      number_key("augment.rotate", d.augment.rotate, 0.0, 180.0,
                 "a patch is turned by +- this many degrees at most about each axis, in millimetres; where "
                 "patch D is 1 only within the slice"),
      number_key(
          "augment.scale", d.augment.scale, 0.0, 3.0,
          "a patch is magnified by a factor between 1 / (1 + this) and 1 + this, its logarithm uniform"),
      number_key("augment.stretch", d.augment.stretch, 0.0, 3.0,
                 "the same, on top of it, with a factor of its own for each axis"),
      number_key("augment.elastic", d.augment.elastic, 0.0, 16.0,
                 "standard deviation of a smooth displacement along each axis, in voxels (it folds the image "
                 "here and there above about 4)"),
      number_key("augment.probability", d.augment.probability, 0.0, 1.0,
                 "share of the patches that are turned, that are scaled (and stretched), that are displaced"),
      number_key("augment.gamma", d.augment.gamma, 0.0, 3.0,
                 "values of a patch, from 0 at its least to 1 at its greatest, are raised to exp(+- this at "
                 "most)"),
      number_key("augment.blur", d.augment.blur, 0.0, 8.0,
                 "a patch is blurred by a Gaussian of this many voxels at most"),
      number_key("augment.noise", d.augment.noise, 0.0, 10.0,
                 "standard deviation of the noise added to each voxel"),

      integer_key("training.iterations", d.training.iterations, 1, kMany, "optimiser steps"),
      integer_key("training.labelled_batch", d.training.labelled_batch, 1, 1024, "labelled patches a step"),
      integer_key("training.unlabelled_batch", d.training.unlabelled_batch, 0, 1024,
                  "unlabelled patches a step (not used by supervised)"),
      choice_key(
          "training.precision", "f32", {"f32", "bf16"},
          "of activations and their gradients, in training, validation and (unless --precision says "
          "otherwise) duet predict; bf16 takes about half the memory and time; where the processor does "
          "not multiply it the run goes on in f32 and says so"),
      bool_key("training.recompute", false,
               "make outputs of convolutions again in backward instead of keeping them: less memory, about a "
               "sixth more time, the same weights bit for bit"),
      number_key("training.learning_rate", d.training.learning_rate, 1e-9, 100.0,
                 "learning rate at the start"),
      choice_key("training.optimiser", d.training.optimiser.name, {"sgd", "adamw"}, "optimiser"),
      number_key("training.momentum", d.training.optimiser.momentum, 0.0, 0.9999, "momentum of sgd"),
      bool_key("training.nesterov", d.training.optimiser.nesterov, "Nesterov's momentum"),
      number_key("training.weight_decay", d.training.optimiser.weight_decay, 0.0, 1.0, "weight decay"),
      number_key("training.clip_norm", d.training.optimiser.clip_norm, 0.0, 1e9,
                 "greatest L2 norm of a network's gradient; 0: not clipped"),
      choice_key("training.schedule", "polynomial", {"constant", "step", "polynomial"},
                 "of the learning rate"),
      integer_key("training.schedule_every", 2500, 1, kMany, "step: iterations between drops"),
      number_key("training.schedule_factor", 10.0, 1.0, 1e6, "step: the rate is divided by this"),
      number_key("training.schedule_power", 0.9, 0.01, 10.0, "polynomial: (1 - t / iterations)^power"),
      integer_key("training.warm_up", 0, 0, kMany, "iterations of linear rise at the start"),
      integer_key("training.validate_every", d.training.validate_every, 1, kMany,
                  "iterations between validations"),
      integer_key("training.checkpoint_every", d.training.checkpoint_every, 1, kMany,
                  "iterations between checkpoints"),
      number_key("training.checkpoint_minutes", d.training.checkpoint_minutes, 0.0, kMany,
                 "a checkpoint is also written when the last one is this old, so that a run that is killed "
                 "loses no more; 0: only by iterations"),
      integer_key(
          "training.shard_mib", d.training.shard_mib, 0, 1024 * 1024,
          "most MiB of data in a checkpoint's file: larger ones are split into shards; 0: one file each"),
      integer_key("training.seed", static_cast<Index>(d.training.seed), 0, 9e15,
                  "seed of the labelled cases, weights and draws"),
      integer_key("training.loading_threads", d.training.loading_threads, 0, 64,
                  "threads that make the next batches beside the step; 0: the step makes its own; no result "
                  "depends on it"),

      number_key("inference.overlap", d.inference.overlap, 0.0, 0.95,
                 "of neighbouring windows, along each axis"),
      triple_key("inference.stride", d.inference.stride, 0, 4096,
                 "of windows along [D, H, W], at most the patch; 0: evenly spread after overlap"),
      integer_key("inference.samples", d.inference.samples, 1, 1000,
                  "Monte Carlo passes of the uncertainty map, for each network"),
      bool_key("inference.largest_component", d.inference.largest_component,
               "keep only the largest piece of each class, wherever an image is segmented"),
  };
}

}  // namespace duet
