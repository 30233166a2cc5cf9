// Chosen convolutions kept between runs, as choosing takes a second or so each: a text file. First line: what
// it was made with, which must agree; then a line a key: checksum, key, how, name, plan as JSON, with tabs
// between. Called by plans.cpp. Trouble with the file is one line on stderr, and no more: the run goes on
// without it. The checksum finds accidents: the file is trusted as the program is.
#pragma once

#include <map>
#include <string>

namespace duet::cuda {

struct StoredPlan {
  std::string name, json;        // json empty: the library has no engine
  bool through_scratch = false;  // the plan writes, and its result is added on afterwards
};

class PlanFile {
 public:
  // `path` empty: keeps nothing. `made_with` names the library and the device, in one line.
  PlanFile(std::string path, const std::string& made_with);

  // nullptr where it is not known.
  const StoredPlan* find(const std::string& key) const;
  // Onto the end of the file; a file that is new, damaged or made with something else is written anew.
  void add(const std::string& key, StoredPlan plan);

 private:
  void load();
  bool parse(const std::string& line);
  void write_anew();
  void append(const std::string& line);
  void give_up();

  std::string path_, header_;
  std::map<std::string, StoredPlan> plans_;
  bool appends_ = false;  // what is on disk is whole and made with the same
};

}  // namespace duet::cuda
