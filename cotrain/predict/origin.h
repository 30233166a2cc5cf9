// What the segmentations in a folder were made with, case by case, in its predictions.jsonl, so that those of
// other weights, settings or images are not taken for done, however a run before ended. Used by
// predict_cases.cpp.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cotrain/predict/predict_cases.h"

namespace duet {

class Origins {
 public:
  // Reads the notes in options.output: a line a case, the last one counts. Lines that are cut off or not
  // ours are as if they were not there.
  Origins(const TrainedNetworks& trained, const PredictOptions& options);
  // How the segmentation of a case that is there was made otherwise than it would be now from this image;
  // empty: it was not.
  std::string difference(const std::string& id, const std::filesystem::path& image) const;
  // Whether that holds for this file of the case, too: others may be left of a call before.
  bool covers(const std::string& id, const std::filesystem::path& file) const;
  // Around the writing of a case's files: begin() before the first is written, end() after the last. In
  // between, where some are there that were made otherwise, they are of either kind, and are noted as that.
  void begin(const std::string& id, const std::filesystem::path& image,
             const std::vector<std::filesystem::path>& files);
  void end(const std::string& id);
  const std::filesystem::path& file() const { return file_; }

 private:
  using Json = nlohmann::ordered_json;
  // made_with null: of either kind; files null: all of the case's, as older versions note it.
  struct Made {
    Json made_with, files;
  };
  Json made_now(const std::filesystem::path& image) const;
  void note(const std::string& id, const Made& made);

  std::filesystem::path file_;
  Json settings_;
  std::map<std::string, Made> cases_, pending_;  // pending: what end() notes
};

}  // namespace duet
