#include "cotrain/predict/trained.h"

#include "cotrain/train/checkpoint.h"
#include "cotrain/train/run_folder.h"
#include "cotrain/train/weights_file.h"
#include "engine/core/errors.h"
#include "io/weights/shards.h"

namespace duet {

namespace fs = std::filesystem;
namespace {

fs::path checkpoint_of(const fs::path& run, const std::string& which) {
  if (which != "best" && which != "last")
    throw Error(ExitCode::usage, text("checkpoint: expected best or last, found '", which, '\''));
  const RunFolder folder{run};
  fs::path found;
  if (which == "best") found = find_checkpoint(folder.best());
  if (found.empty()) found = find_checkpoint(folder.last());
  if (found.empty()) {
    throw Error(ExitCode::filesystem,
                text(run.string(), ": expected a checkpoint to predict with, found none"));
  }
  return found;
}

Index classes_in(const fs::path& first) {
  const SafetensorsFile weights = read_shards(first, Read::headers);
  const NamedArray* head = weights.find("head.weight");
  if (!head || head->shape.empty() || head->shape[0] < 2 || head->shape[0] > 256) {
    throw Error(ExitCode::data,
                text(first.string(), ": expected an array head.weight of 2 to 256 classes, found ",
                     head ? describe(*head) : "none"));
  }
  return head->shape[0];
}

}  // namespace

TrainedNetworks load_trained(Backend& backend, const fs::path& run, const std::string& which) {
  backend.convolution->forget_weights();  // of networks that were loaded before
  TrainedNetworks trained;
  trained.config = read_run_config(run);
  trained.checkpoint = checkpoint_of(run, which);
  trained.spacing = read_spacing(RunFolder{run});
  trained.classes = classes_in(trained.checkpoint / "network_1.safetensors");
  for (NetworkConfig model : network_configs(trained.config)) {
    model.classes = trained.classes;
    trained.networks.push_back(make_blank_network(backend, model));
  }
  read_checkpoint(trained.checkpoint, trained.networks, nullptr);
  return trained;
}

}  // namespace duet
