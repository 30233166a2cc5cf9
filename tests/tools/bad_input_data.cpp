// Rows of bad input: images and data sets.
#include <cmath>
#include <limits>

#include "tests/tools/bad_input.h"

namespace duet::testing {

// The bytes of bad.nii, looked at by info and by predict.
std::vector<Row> image_rows() {
  struct File {
    std::string name, named;
    std::function<std::string()> bytes;
  };
  const std::vector<File> files = {
      {"empty", "empty", [] { return std::string(); }},
      {"not NIfTI", "not a NIfTI", [] { return std::string(2000, 'x'); }},
      {"header cut short", "200 of 348",
       [] {
         return nifti1({3, 4, 4, 4, 1, 1, 1, 1}, 16, 32).substr(0, 200);
       }},
      {"voxels cut short", "452",
       [] {
         return nifti1({3, 8, 8, 8, 1, 1, 1, 1}, 16, 32) + std::string(100, '\0');
       }},
      {"declared size beyond the file", "108000000000352",
       [] {
         return nifti1({3, 30000, 30000, 30000, 1, 1, 1, 1}, 16, 32);
       }},
      {"dim[0] of 200", "200",
       [] {
         return nifti1({200, 4, 4, 4, 1, 1, 1, 1}, 16, 32) + std::string(256, '\0');
       }},
      {"dim[0] of 2^40", "1099511627776", [] { return nifti2(std::int64_t{1} << 40); }},
      {"dim[0] of -2^40", "-1099511627776", [] { return nifti2(-(std::int64_t{1} << 40)); }},
      {"complex", "complex",
       [] {
         return nifti1({3, 4, 4, 4, 1, 1, 1, 1}, 32, 64) + std::string(512, '\0');
       }},
      {"RGB", "RGB",
       [] {
         return nifti1({3, 4, 4, 4, 1, 1, 1, 1}, 128, 24) + std::string(192, '\0');
       }},
      {"RGBA", "RGBA",
       [] {
         return nifti1({3, 4, 4, 4, 1, 1, 1, 1}, 2304, 32) + std::string(256, '\0');
       }},
  };
  std::vector<Row> rows;
  for (const File& file : files) {
    const auto prepare = [bytes = file.bytes](Place& p) {
      fs::remove_all(p.folder / "bad");
      p.folder.write("bad/bad.nii", bytes());
    };
    rows.push_back({"info: " + file.name, "@duet info {d}/bad/bad.nii", 3, {"bad.nii", file.named}, prepare});
    rows.push_back({"predict: " + file.name, kPredict, 3, {"bad.nii", file.named, "1 failed"}, prepare});
  }
  const auto image = [](const std::function<void(const fs::path&)>& write) {
    return [write](Place& p) {
      fs::remove_all(p.folder / "bad");
      fs::create_directories(p.folder / "bad");
      write(p.folder / "bad/bad.nii.gz");
    };
  };
  rows.push_back({"info: missing", "@duet info {d}/none.nii", 4, {"none.nii"}});
  rows.push_back({"info: missing weights", "@duet info {d}/none.safetensors", 4, {"none.safetensors"}});
  rows.push_back(
      {"predict: missing", "@duet predict --run {d}/run --out {d}/o --input {d}/none.nii", 4, {"none.nii"}});
  rows.push_back({"predict: not finite", kPredict, 3, {"bad.nii.gz", "finite"}, image([](const fs::path& f) {
                    write_ramp(f, kSize, {1, 1, 1}, std::numeric_limits<float>::quiet_NaN());
                  })});
  rows.push_back({"predict: 4D", kPredict, 3, {"bad.nii.gz", "channel"}, image([](const fs::path& f) {
                    const std::vector<float> values(2 * 4096, 1.0f);
                    write_image(f, make_geometry(kSize, kSpacing), std::span<const float>(values));
                  })});
  rows.push_back({"predict: goes on after a bad case",
                  kPredict,
                  3,
                  {"1 segmented", "1 failed", "bad.nii"},
                  [](Place& p) {
                    fs::remove_all(p.folder / "bad");
                    p.folder.write("bad/bad.nii", "x");
                    write_ramp(p.folder / "bad/other.nii.gz", kSize);
                  }});
  return rows;
}

std::vector<Row> dataset_rows() {
  const auto spoilt = [](const std::string& name, const std::function<void(const fs::path&)>& spoil,
                         const std::string& extra = "") {
    return [=](Place& p) { p.dataset(name, 6, spoil, extra); };
  };
  const auto each_label = [](const std::function<void(const fs::path&)>& write) {
    return [write](const fs::path& root) {
      for (int i = 0; i < 4; ++i) write(root / "labelsTr" / text("case", i, ".nii.gz"));
    };
  };
  return {
      {"label of another shape",
       kTrain + "a/dataset.json",
       3,
       {"case", "shape", "(16,16,16)", "(16,16,15)"},
       spoilt("a", each_label([](const fs::path& f) {
                write_labels(f, {16, 16, 15});
              }))},
      {"label of another affine",
       kTrain + "b/dataset.json",
       3,
       {"case", "affine", "mm"},
       spoilt("b", each_label([](const fs::path& f) {
                write_labels(f, kSize, {1, 1, 1.5});
              }))},
      {"label value outside the classes",
       kTrain + "c/dataset.json",
       3,
       {"labelsTr/case", "7"},
       spoilt("c", each_label([](const fs::path& f) {
                write_labels(f, kSize, {1, 1, 1}, 7);
              }))},
      {"image not finite",
       kTrain + "e/dataset.json",
       3,
       {"imagesTr/case", "finite"},
       spoilt("e",
              [](const fs::path& root) {
                for (int i = 0; i < 6; ++i) {
                  write_ramp(root / "imagesTr" / text("case", i, ".nii.gz"), kSize, {1, 1, 1},
                             std::numeric_limits<float>::infinity());
                }
              })},
      {"4D training image",
       kTrain + "f/dataset.json",
       3,
       {"imagesTr/case", "channel"},
       spoilt("f",
              [](const fs::path& root) {
                const std::vector<float> values(2 * 4096, 1.0f);
                for (int i = 0; i < 6; ++i) {
                  write_image(root / "imagesTr" / text("case", i, ".nii.gz"), make_geometry(kSize, kSpacing),
                              std::span<const float>(values));
                }
              })},
      {"cases of different spacing: a warning",
       kTrain + "g/dataset.json",
       0,
       {"warning", "spacing", "case5"},
       spoilt("g",
              [](const fs::path& root) {
                write_ramp(root / "imagesTr/case5.nii.gz", kSize, {1, 1, 3});
              })},
      {"cases of different orientation: a warning",
       kTrain + "h/dataset.json --set data.reorient=false",
       0,
       {"warning", "orientation", "case5"},
       spoilt("h",
              [](const fs::path& root) {
                Affine left;
                left.m[0][0] = -1;
                const std::vector<float> values(4096, 1.0f);
                write_image(root / "imagesTr/case5.nii.gz", make_geometry(kSize, left),
                            std::span<const float>(values));
              })},
      {"missing file",
       kTrain + "i/dataset.json",
       3,
       {"dataset.json", "case2"},
       spoilt("i", [](const fs::path& root) { fs::remove(root / "imagesTr/case2.nii.gz"); })},
      {"duplicate case",
       kTrain + "j/dataset.json",
       3,
       {"dataset.json", "case1"},
       spoilt(
           "j", [](const fs::path&) {}, R"(, {"image": "imagesTr/case1.nii.gz"})")},
      {"no label at all",
       kTrain + "k/dataset.json",
       3,
       {"dataset.json", "label"},
       [](Place& p) {
         p.folder.write("k/dataset.json", R"({"labels": {"0": "background", "1": "organ"},
 "training": [{"image": "../good/imagesTr/case0.nii.gz"}]})");
       }},
      {"two modalities",
       kTrain + "l/dataset.json",
       3,
       {"dataset.json", "channel"},
       [](Place& p) {
         p.folder.write("l/dataset.json",
                        R"({"labels": {"0": "background", "1": "organ"}, "modality": {"0": "a", "1": "b"},
 "training": [{"image": "../good/imagesTr/case0.nii.gz", "label": "../good/labelsTr/case0.nii.gz"}]})");
       }},
      {"dataset.json is not JSON",
       kTrain + "m/dataset.json",
       3,
       {"dataset.json:2:"},
       [](Place& p) { p.folder.write("m/dataset.json", "{\n oops"); }},
      {"dataset.json missing", kTrain + "none/dataset.json", 3, {"none/dataset.json"}},
      {"fewer labelled cases than asked for", kTrainGood + "--set data.labelled=50", 3, {"50", "4"}},
  };
}

}  // namespace duet::testing
