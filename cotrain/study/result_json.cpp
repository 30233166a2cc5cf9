#include <cstdio>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "cotrain/study/result.h"
#include "engine/core/errors.h"
#include "io/files/files.h"
#include "io/files/json_tree.h"

namespace duet {
namespace {

using Json = nlohmann::ordered_json;
using Optional = std::optional<double>;

// A pair's 254 foreground classes over 300 cases are 2 million values, some 20 MB.
constexpr JsonLimits kLimits{.bytes = std::size_t{64} << 20, .values = 4'000'000};
constexpr Index kMostVoxels = Index{1} << 50;  // in a bin: sums of them stay far from overflow
constexpr double kFarthest = 1e9;              // mm

// A page shows what is there: not a file of elsewhere.
bool beside(const std::string& file) {
  return file.empty() || (std::filesystem::path(file).filename() == file && file != "." && file != "..");
}

// Six digits are more than any of these numbers is good for, and keep the file small.
double rounded(double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.6g", value);
  return std::strtod(digits, nullptr);
}

Json to_json(const Optional& value) { return value ? Json(rounded(*value)) : Json(nullptr); }

Json to_json(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(rounded(value));
  return list;
}

Json to_json(const std::vector<Optional>& values) {
  Json list = Json::array();
  for (const Optional& value : values) list.push_back(to_json(value));
  return list;
}

// In this order: some thousand of them stand in a file.
constexpr const char* kMetrics[] = {"dice", "jaccard", "hd95", "asd", "assd"};

Json to_json(const ClassMetrics& m) {
  return to_json(std::vector<Optional>{m.dice, m.jaccard, m.hd95, m.asd, m.assd});
}

Json to_json(const CaseResult& each) {
  Json metrics = Json::array(), kept = Json::array();
  for (const auto& predictor : each.metrics) {
    Json classes = Json::array();
    for (const ClassMetrics& m : predictor) classes.push_back(to_json(m));
    metrics.push_back(classes);
  }
  for (const auto& share : each.kept_dice) kept.push_back(to_json(share));
  return {{"id", each.id},
          {"files", each.files},
          {"metrics", metrics},
          {"error_auc", to_json(each.error_auc)},
          {"kept_dice", kept}};
}

// Reading: each function names the place in the file where something else was expected.
class Reader {
 public:
  Reader(const std::filesystem::path& file, const JsonNode& root) : file_(file), root_(root) {}

  const JsonNode& member(const JsonNode& of, const char* key) const {
    const JsonNode* found = of.is(JsonNode::Kind::object) ? of.find(key) : nullptr;
    if (!found) fail(of, text("an object with \"", key, "\""));
    return *found;
  }
  const JsonNode& root(const char* key) const { return member(root_, key); }
  const std::vector<JsonNode>& list(const JsonNode& of) const {
    if (!of.is(JsonNode::Kind::list)) fail(of, "a list");
    return of.items;
  }
  std::string string(const JsonNode& of) const {
    if (!of.is(JsonNode::Kind::string)) fail(of, "a text");
    return of.text;
  }
  double number(const JsonNode& of) const {
    if (!of.is(JsonNode::Kind::integer) && !of.is(JsonNode::Kind::number)) fail(of, "a number");
    return of.number;
  }
  double between(const JsonNode& of, double low, double high) const {
    const double value = number(of);
    if (value < low || value > high) fail(of, text("a number from ", low, " to ", high));
    return value;
  }
  Optional share(const JsonNode& of) const {
    if (of.is(JsonNode::Kind::null)) return std::nullopt;
    return between(of, 0, 1);
  }
  Optional length(const JsonNode& of) const {
    if (of.is(JsonNode::Kind::null)) return std::nullopt;
    return between(of, 0, kFarthest);
  }
  Index count(const JsonNode& of, Index most = std::numeric_limits<Index>::max()) const {
    if (!of.is(JsonNode::Kind::integer) || of.integer < 0) fail(of, "a whole number of at least 0");
    if (of.integer > most) fail(of, text("at most ", most));
    return of.integer;
  }
  Optional optional(const JsonNode& of) const {
    if (of.is(JsonNode::Kind::null)) return std::nullopt;
    return number(of);
  }
  std::vector<Optional> shares(const JsonNode& of) const {
    std::vector<Optional> values;
    for (const JsonNode& each : list(of)) values.push_back(share(each));
    return values;
  }
  std::vector<double> numbers(const JsonNode& of) const {
    std::vector<double> values;
    for (const JsonNode& each : list(of)) values.push_back(number(each));
    return values;
  }
  std::vector<std::string> strings(const JsonNode& of) const {
    std::vector<std::string> values;
    for (const JsonNode& each : list(of)) values.push_back(string(each));
    return values;
  }
  [[noreturn]] void fail(const JsonNode& at, const std::string& expected) const {
    throw Error(ExitCode::data, text(file_.string(), ":", at.position.line, ":", at.position.column,
                                     ": expected ", expected, ", found ", describe(at)));
  }

 private:
  const std::filesystem::path& file_;
  const JsonNode& root_;
};

ClassMetrics class_metrics(const Reader& in, const JsonNode& from) {
  const std::vector<JsonNode>& values = in.list(from);
  if (values.size() != std::size(kMetrics)) in.fail(from, text(std::size(kMetrics), " numbers or null"));
  ClassMetrics m;
  m.dice = in.share(values[0]);
  m.jaccard = in.share(values[1]);
  m.hd95 = in.length(values[2]);
  m.asd = in.length(values[3]);
  m.assd = in.length(values[4]);
  return m;
}

// Tables index by predictor and class: a case must have as many as the result says.
CaseResult case_result(const Reader& in, const JsonNode& from, std::size_t predictors, std::size_t classes) {
  CaseResult each;
  each.id = in.string(in.member(from, "id"));
  if (const JsonNode* files = from.find("files")) each.files = in.string(*files);
  const JsonNode& metrics = in.member(from, "metrics");
  for (const JsonNode& predictor : in.list(metrics)) {
    std::vector<ClassMetrics>& row = each.metrics.emplace_back();
    for (const JsonNode& m : in.list(predictor)) row.push_back(class_metrics(in, m));
    if (row.size() != classes) in.fail(predictor, text(classes, " classes"));
  }
  if (each.metrics.size() != predictors) in.fail(metrics, text(predictors, " predictors"));
  each.error_auc = in.share(in.member(from, "error_auc"));
  const JsonNode& kept = in.member(from, "kept_dice");
  for (const JsonNode& share : in.list(kept)) {
    each.kept_dice.push_back(in.shares(share));
    if (each.kept_dice.back().size() != classes) in.fail(share, text(classes, " classes"));
  }
  if (each.kept_dice.size() != std::size(kLeftOut)) in.fail(kept, text(std::size(kLeftOut), " shares"));
  return each;
}

Curve curve(const Reader& in, const JsonNode& from) {
  Curve each{in.string(in.member(from, "name")), in.numbers(in.member(from, "x")),
             in.numbers(in.member(from, "y"))};
  if (each.x.size() != each.y.size()) in.fail(from, "as many x as y");
  return each;
}

Calibration calibration(const Reader& in, const JsonNode& from) {
  Calibration found;
  found.bins.clear();
  for (const JsonNode& bin : in.list(from)) {
    const Index voxels = in.count(in.member(bin, "voxels"), kMostVoxels);
    found.bins.push_back({voxels,
                          in.between(in.member(bin, "confidence"), 0, 1.001 * static_cast<double>(voxels)),
                          in.count(in.member(bin, "correct"), voxels)});
  }
  if (found.bins.size() != Calibration{}.bins.size()) {
    in.fail(from, text(Calibration{}.bins.size(), " bins"));
  }
  return found;
}

}  // namespace

void write_result(const std::filesystem::path& file, const RunResult& r) {
  Json curves = Json::array(), cases = Json::array(), bins = Json::array(), pictures = Json::array();
  for (const Curve& each : r.curves) {
    curves.push_back({{"name", each.name}, {"x", to_json(each.x)}, {"y", to_json(each.y)}});
  }
  for (const CaseResult& each : r.cases) cases.push_back(to_json(each));
  for (const CalibrationBin& bin : r.calibration.bins) {
    bins.push_back(
        {{"voxels", bin.voxels}, {"confidence", rounded(bin.confidence)}, {"correct", bin.correct}});
  }
  for (const CasePicture& each : r.pictures) {
    pictures.push_back(
        {{"kind", each.kind}, {"case", each.case_id}, {"dice", rounded(each.dice)}, {"file", each.file}});
  }
  const Json json = {{"row", r.row},
                     {"seed", r.seed},
                     {"method", r.method},
                     {"set", r.set},
                     {"checkpoint", r.checkpoint},
                     {"classes", r.classes},
                     {"predictors", r.predictors},
                     {"iterations", r.iterations},
                     {"labelled", r.labelled},
                     {"unlabelled", r.unlabelled},
                     {"parameters", r.parameters},
                     {"seconds", rounded(r.seconds)},
                     {"peak_mib", to_json(r.peak_mib)},
                     {"machine", r.machine},
                     {"config", Json::parse(r.config)},
                     {"metrics", kMetrics},
                     {"cases", cases},
                     {"calibration", bins},
                     {"curves", curves},
                     {"pictures", pictures}};
  write_file(file, json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

RunResult read_result(const std::filesystem::path& file) {
  const JsonNode root = read_json_file(file, kLimits, ExitCode::data);
  const Reader in(file, root);
  RunResult r;
  r.row = in.string(in.root("row"));
  r.seed = static_cast<std::uint64_t>(in.count(in.root("seed")));
  r.method = in.string(in.root("method"));
  r.set = in.string(in.root("set"));
  if (const JsonNode* which = root.find("checkpoint")) r.checkpoint = in.string(*which);  // older ones: last
  r.classes = in.strings(in.root("classes"));
  r.predictors = in.strings(in.root("predictors"));
  if (r.classes.size() < 2) in.fail(in.root("classes"), "at least 2 classes");
  if (r.predictors.empty()) in.fail(in.root("predictors"), "at least 1 predictor");
  r.iterations = in.count(in.root("iterations"));
  r.labelled = in.count(in.root("labelled"));
  r.unlabelled = in.count(in.root("unlabelled"));
  r.parameters = in.count(in.root("parameters"));
  r.seconds = in.between(in.root("seconds"), 0, 1e12);
  r.peak_mib = in.optional(in.root("peak_mib"));
  r.machine = in.string(in.root("machine"));
  if (!in.root("config").is(JsonNode::Kind::object)) in.fail(in.root("config"), "an object");
  const Json config = Json::parse(read_file(file, kLimits.bytes)).at("config");
  if (config.contains("data") && !config["data"].is_object()) {
    in.fail(in.root("config"), "an object whose member data is one, too");
  }
  r.config = config.dump();
  const std::size_t classes = r.classes.size() - 1;
  std::set<std::string> ids;
  for (const JsonNode& each : in.list(in.root("cases"))) {
    r.cases.push_back(case_result(in, each, r.predictors.size(), classes));
    if (!ids.insert(r.cases.back().id).second) in.fail(each, "a case that does not stand there twice");
  }
  r.calibration = calibration(in, in.root("calibration"));
  for (const JsonNode& each : in.list(in.root("curves"))) r.curves.push_back(curve(in, each));
  for (const JsonNode& each : in.list(in.root("pictures"))) {
    const JsonNode& picture = in.member(each, "file");
    r.pictures.push_back({in.string(in.member(each, "kind")), in.string(in.member(each, "case")),
                          in.between(in.member(each, "dice"), 0, 1), in.string(picture)});
    if (!beside(r.pictures.back().file)) in.fail(picture, "the name of a file beside this one");
  }
  return r;
}

}  // namespace duet
