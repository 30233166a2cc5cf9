#include "cotrain/config/run_config.h"

#include <map>

#include "cotrain/method/method.h"
#include "nn/check.h"

namespace duet {
namespace {

template <class T>
T pick(const std::string& name, const std::map<std::string, T>& table) {
  return table.at(name);
}

NetworkConfig model_of(const ConfigValues& v) {
  NetworkConfig model;
  model.architecture = v.get_string("model.architecture");
  model.dimensions = static_cast<int>(v.get_int("model.dimensions"));
  model.width = v.get_int("model.width");
  model.depth = static_cast<int>(v.get_int("model.depth"));
  model.norm = pick<NormKind>(
      v.get_string("model.norm"),
      {{"batch", NormKind::batch}, {"instance", NormKind::instance}, {"group", NormKind::group}});
  model.norm_groups = v.get_int("model.norm_groups");
  model.activation = pick<Activation>(
      v.get_string("model.activation"),
      {{"relu", Activation::relu}, {"leaky_relu", Activation::leaky_relu}, {"prelu", Activation::prelu}});
  model.activation_slope = v.get_number("model.activation_slope");
  model.dropout = v.get_string("model.dropout") == "channels" ? DropoutKind::channels : DropoutKind::elements;
  model.dropout_p = v.get_number("model.dropout_p");
  model.initialisation =
      v.get_string("model.initialisation") == "kaiming" ? Initialisation::kaiming : Initialisation::xavier;
  return model;
}

MethodConfig method_of(const ConfigValues& v) {
  MethodConfig method;
  method.name = v.get_string("method.name");
  method.networks = v.get_int("method.networks");
  method.samples = v.get_int("method.samples");
  method.fold = v.get_int("method.fold");
  method.uncertainty = pick<UncertaintyKind>(v.get_string("method.uncertainty"),
                                             {{"predictive_entropy", UncertaintyKind::predictive_entropy},
                                              {"expected_entropy", UncertaintyKind::expected_entropy},
                                              {"mutual_information", UncertaintyKind::mutual_information},
                                              {"variance", UncertaintyKind::variance}});
  method.alpha = v.get_number("method.alpha");
  method.beta = v.get_number("method.beta");
  method.targets = pick<TargetKind>(
      v.get_string("method.targets"),
      {{"hard", TargetKind::hard}, {"soft", TargetKind::soft}, {"squared", TargetKind::squared}});
  method.coupled = v.get_string("method.coupling") == "coupled";
  method.lambda_max = v.get_number("method.lambda_max");
  method.ramp = v.get_number("method.ramp");
  method.warm_up = v.get_number("method.warm_up");
  method.confidence_floor = v.get_number("method.confidence_floor");
  method.cutmix = v.get_number("method.cutmix");
  method.target_dice = v.get_bool("method.target_dice");
  method.target_ema = v.get_bool("method.target_ema");
  method.taught_by_pair = v.get_string("method.taught_by") == "pair";
  method.alternating = v.get_string("method.step") == "alternating";
  method.merge = pick<MergeRule>(
      v.get_string("method.merge"),
      {{"sum", MergeRule::sum}, {"project", MergeRule::project}, {"balance", MergeRule::balance}});
  method.balance_decay = v.get_number("method.balance_decay");
  method.lanes = v.get_string("method.lanes");
  method.dice_background = v.get_bool("method.dice_background");
  method.ema_decay = v.get_number("method.ema_decay");
  method.noise = v.get_number("method.noise");
  method.noise_limit = v.get_number("method.noise_limit");
  method.mask_start = v.get_number("method.mask_start");
  method.mask_end = v.get_number("method.mask_end");
  return method;
}

TrainingConfig training_of(const ConfigValues& v) {
  TrainingConfig training;
  training.iterations = v.get_int("training.iterations");
  training.labelled_batch = v.get_int("training.labelled_batch");
  training.unlabelled_batch = v.get_int("training.unlabelled_batch");
  training.recompute = v.get_bool("training.recompute");
  training.bf16 = v.get_string("training.precision") == "bf16";
  training.learning_rate = v.get_number("training.learning_rate");
  training.optimiser.name = v.get_string("training.optimiser");
  training.optimiser.momentum = v.get_number("training.momentum");
  training.optimiser.nesterov = v.get_bool("training.nesterov");
  training.optimiser.weight_decay = v.get_number("training.weight_decay");
  training.optimiser.clip_norm = v.get_number("training.clip_norm");
  training.schedule.name = v.get_string("training.schedule");
  training.schedule.rate = training.learning_rate;
  training.schedule.every = v.get_int("training.schedule_every");
  training.schedule.factor = v.get_number("training.schedule_factor");
  training.schedule.power = v.get_number("training.schedule_power");
  training.schedule.warmup = v.get_int("training.warm_up");
  training.schedule.total = training.iterations;
  training.validate_every = v.get_int("training.validate_every");
  training.checkpoint_every = v.get_int("training.checkpoint_every");
  training.checkpoint_minutes = v.get_number("training.checkpoint_minutes");
  training.seed = static_cast<std::uint64_t>(v.get_int("training.seed"));
  training.shard_mib = v.get_int("training.shard_mib");
  training.loading_threads = v.get_int("training.loading_threads");
  return training;
}

// Rules that need what another key does not leave them.
void check_merge(const MethodConfig& method, NormKind norm, const ConfigValues& v, ConfigErrors& errors) {
  if (method.merge == MergeRule::sum) return;
  const std::string& found = v.get_string("method.merge");
  if (norm == NormKind::batch && !method.alternating) {
    v.fail(errors, "method.merge",
           text("expected sum with model.norm = batch, whose statistics lead part of each task's gradient "
                "through the other's samples, so that lanes are not the tasks', found ",
                found));
  }
  if (method.lanes == "none") {
    v.fail(errors, "method.merge",
           text("expected sum with method.lanes = none, which keeps no gradient a task to merge, found ",
                found));
  }
  if (method.merge == MergeRule::project && method.alternating) {
    v.fail(errors, "method.merge",
           text("expected sum or balance with method.step = alternating, where the tasks' gradients never "
                "meet in a step, found ",
                found));
  }
}

// The fewest patches that a network normalises together: where tasks are learnt apart, or targets are made of
// the unlabelled ones alone.
Index least_batch(const RunConfig& config) {
  const Index labelled = config.training.labelled_batch, unlabelled = config.training.unlabelled_batch;
  const MethodConfig& m = config.method;
  if (m.name == "supervised") return labelled;
  const bool teacher = m.name == "mean_teacher" || m.name == "ua_mt" || m.target_ema || m.taught_by_pair;
  const bool apart = m.alternating || m.warm_up > 0 || teacher;
  return apart ? std::min(labelled, unlabelled) : labelled + unlabelled;
}

void check(const RunConfig& config, const ConfigValues& v, ConfigErrors& errors) {
  if (config.data.dataset.empty()) {
    v.fail(errors, "data.dataset", "expected the path of a dataset.json, found none");
  }
  try {
    for (const NetworkConfig& model : network_configs(config)) {
      check_patch(model, config.data.patch, least_batch(config));
    }
  } catch (const Error& error) {
    v.fail(errors, "data.patch", error.what());
  }
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (config.inference.stride[axis] <= config.data.patch[axis]) continue;
    v.fail(errors, "inference.stride",
           text("expected at most data.patch = ", value_text(config.data.patch), ", found ",
                value_text(config.inference.stride)));
    break;
  }
  if (config.model.norm == NormKind::group && config.model.width % config.model.norm_groups != 0) {
    v.fail(errors, "model.norm_groups",
           text("expected a divisor of model.width = ", config.model.width, ", found ",
                config.model.norm_groups));
  }
  if (config.model.dimensions == 2 && config.data.patch[0] != 1) {
    v.fail(errors, "data.patch",
           text("expected D = 1 with model.dimensions = 2, found ", value_text(config.data.patch)));
  }
  const bool unlabelled = make_method(config.method)->uses_unlabelled();
  if (unlabelled && config.training.unlabelled_batch < 1) {
    v.fail(errors, "training.unlabelled_batch",
           text("expected at least 1 for method ", config.method.name, ", found 0"));
  }
  if (config.method.name == "udct" && config.method.target_dice &&
      config.method.targets != TargetKind::hard) {
    v.fail(errors, "method.target_dice",
           text("expected false with method.targets = ", v.get_string("method.targets"),
                ", as the Dice term is towards classes, found true"));
  }
  if (unlabelled && config.method.cutmix > 0 && config.training.unlabelled_batch < 2) {
    v.fail(errors, "method.cutmix",
           text("expected 0 with training.unlabelled_batch = ", config.training.unlabelled_batch,
                ", which leaves no other patch to mix with, found ", config.method.cutmix));
  }
  if (config.method.samples > 0 && config.method.samples % config.method.fold != 0) {
    v.fail(errors, "method.fold",
           text("expected a divisor of method.samples = ", config.method.samples, ", found ",
                config.method.fold));
  }
  check_merge(config.method, config.model.norm, v, errors);
}

}  // namespace

std::vector<NetworkConfig> network_configs(const RunConfig& config) {
  std::vector<NetworkConfig> models(static_cast<std::size_t>(make_method(config.method)->networks()),
                                    config.model);
  if (models.size() > 1) {
    models[1].initialisation = config.method.second_initialisation;
    if (config.method.second_architecture != "same")
      models[1].architecture = config.method.second_architecture;
  }
  return models;
}

RunConfig to_run_config(const ConfigValues& v, ConfigErrors& errors) {
  RunConfig config;
  config.data = {v.get_string("data.dataset"),
                 v.get_int("data.labelled"),
                 v.get_int("data.validation"),
                 v.get_int("data.report"),
                 static_cast<std::uint64_t>(v.get_int("data.split_seed")),
                 v.get_bool("data.reorient"),
                 v.get_triple("data.patch"),
                 v.get_triple("data.shrink")};
  config.model = model_of(v);
  config.method = method_of(v);
  config.method.second_initialisation = v.get_string("model.second_initialisation") == "kaiming"
                                            ? Initialisation::kaiming
                                            : Initialisation::xavier;
  config.method.second_architecture = v.get_string("model.second_architecture");
  config.augment = {v.get_triple("augment.flip"),        v.get_number("augment.brightness"),
                    v.get_number("augment.contrast"),    v.get_number("augment.foreground"),
                    v.get_number("augment.rotate"),      v.get_number("augment.scale"),
                    v.get_number("augment.stretch"),     v.get_number("augment.elastic"),
                    v.get_number("augment.probability"), v.get_number("augment.gamma"),
                    v.get_number("augment.blur"),        v.get_number("augment.noise")};
  config.training = training_of(v);
  config.inference = {v.get_number("inference.overlap"), v.get_triple("inference.stride"),
                      v.get_int("inference.samples"), v.get_bool("inference.largest_component")};
  check(config, v, errors);
  return config;
}

}  // namespace duet
