#include "cotrain/predict/trained.h"

#include "cotrain/train/checkpoint.h"
#include "cotrain/train/run_folder.h"
#include "cotrain/train/step.h"
#include "cotrain/train/weights_file.h"
#include "engine/core/errors.h"
#include "io/weights/shards.h"

namespace duet {

TrainedNetworks load_trained(Backend& backend, const std::filesystem::path& run, const std::string& which) {
  TrainedNetworks trained;
  trained.config = read_run_config(run);
  const RunFolder folder{run};
  if (which == "best") trained.checkpoint = find_checkpoint(folder.best());
  if (trained.checkpoint.empty()) trained.checkpoint = find_checkpoint(folder.last());
  if (trained.checkpoint.empty()) {
    throw Error(ExitCode::filesystem,
                text(run.string(), ": expected a checkpoint to predict with, found none"));
  }
  const std::filesystem::path first = trained.checkpoint / "network_1.safetensors";
  const SafetensorsFile weights = read_shards(first);
  const NamedArray* head = weights.find("head.weight");
  if (!head || head->shape.empty() || head->shape[0] < 2 || head->shape[0] > 256) {
    throw Error(ExitCode::data,
                text(first.string(), ": expected an array head.weight of 2 to 256 classes, found ",
                     head ? describe(*head) : "none"));
  }
  trained.classes = head->shape[0];
  trained.networks = make_training_state(backend, trained.config, trained.classes).networks;
  read_checkpoint(trained.checkpoint, trained.networks, nullptr);
  return trained;
}

}  // namespace duet
