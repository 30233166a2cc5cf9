// This tree keeps the habits of tools/repo_habits.h, and the checks catch a tree that does not.
#include "tests/tools/repo_habits.h"

#include <doctest/doctest.h>
#include <unistd.h>

namespace duet::habits {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += "\n  " + line;
  return all;
}

// Reports every violation, not just that there are some.
void expect_none(const std::vector<std::string>& violations) {
  CHECK_MESSAGE(violations.empty(), violations.size() << " violations:" << joined(violations));
}

Source source(const std::string& path, const std::vector<std::string>& lines) { return {path, lines}; }

bool caught(const std::string& path, const std::string& line) {
  const std::vector<std::string> found = include_violations({source(path, {"", line})});
  return found.size() == 1 && found[0].rfind(path + ":2: ", 0) == 0;
}

// A tree on disk for the checks that read one.
struct TemporaryTree {
  std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("duet_habits_" + std::to_string(::getpid()));
  TemporaryTree() { std::filesystem::create_directories(root); }
  TemporaryTree(const TemporaryTree&) = delete;
  TemporaryTree& operator=(const TemporaryTree&) = delete;
  ~TemporaryTree() { std::filesystem::remove_all(root); }
  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  }
};

}  // namespace

TEST_CASE("includes follow the table") {
  expect_none(include_violations(read_tree(DUET_SOURCE_DIR, kSourceNames)));
}

TEST_CASE("files are short") {
  const std::vector<Source> sources = read_tree(DUET_SOURCE_DIR, kSourceNames);
  CHECK(sources.size() > 20);
  int over_300 = 0;
  for (const Source& s : sources) over_300 += s.lines.size() > 300;
  MESSAGE(sources.size() << " source files, median " << median_lines(sources) << " lines, " << over_300
                         << " over 300");
  expect_none(length_violations(sources));
}

TEST_CASE("every room has a README, and none is long") { expect_none(readme_violations(DUET_SOURCE_DIR)); }

TEST_CASE("#if on a backend stands in the backend table alone") {
  expect_none(backend_macro_violations(read_tree(DUET_SOURCE_DIR, kSourceNames)));
}

TEST_CASE("the include check catches what it should, and nothing else") {
  CHECK(caught("engine/core/a.h", "#include \"engine/memory/b.h\""));
  CHECK(caught("engine/kernels/a.h", "#include \"engine/backend/ref/b.h\""));
  CHECK(caught("engine/backend/ref/a.cpp", "#include \"engine/backend/onednn/b.h\""));
  CHECK(caught("engine/backend/ref/a.cpp", "#include \"engine/backend/table.h\""));
  CHECK(caught("engine/backend/cuda/a.cu", "#include \"engine/autograd/var.h\""));
  CHECK(caught("engine/autograd/a.cpp", "#include \"engine/ops/b.h\""));
  CHECK(caught("nn/vnet/a.cpp", "#include \"engine/backend/table.h\""));
  CHECK(caught("io/nifti/a.h", "#include \"engine/tensor/tensor.h\""));
  CHECK(caught("io/nifti/a.h", "#  include <cotrain/metrics/summary.h>"));
  CHECK(caught("cotrain/a.cpp", "#include \"engine/backend/ref/b.h\""));
  CHECK(caught("cotrain/a.cpp", "#include \"tools/b.h\""));
  CHECK(caught("cotrain/a.cpp", "#include \"sibling.h\""));
  CHECK(caught("cotrain/a.cpp", "#include \"../io/b.h\""));
  CHECK(caught("nn/a.cpp", "#include <dnnl.hpp>"));
  CHECK(caught("engine/backend/ref/a.cpp", "#include \"oneapi/dnnl/dnnl.hpp\""));
  CHECK(caught("tools/a.cpp", "#include <cuda_runtime.h>"));
  CHECK(caught("cotrain/a.cpp", "#include <nifti2_io.h>"));
  CHECK(caught("engine/ops/a.cpp", "#include <nlohmann/json.hpp>"));
  CHECK(caught("io/config/a.cpp", "#include <CLI/CLI.hpp>"));
  CHECK(caught("engine/ops/a.cpp", "#include <omp.h>"));

  const std::vector<Source> good = {
      source("engine/memory/a.h",
             {"#include <vector>", "#include \"engine/core/errors.h\"", "#include \"engine/memory/b.h\""}),
      source("engine/backend/onednn/a.cpp", {"#include <dnnl.hpp>", "#include \"engine/backend/ref/b.h\""}),
      source("engine/backend/table.cpp",
             {"#include \"engine/backend/onednn/b.h\"", "#include \"engine/backend/table.h\""}),
      source("engine/ops/a.cpp", {"#include \"engine/autograd/var.h\"", "// #include \"io/b.h\""}),
      source("io/nifti/a.cpp",
             {"#include <nifti2_io.h>", "#include \"engine/core/shape.h\"", "#include \"io/dataset/b.h\""}),
      source("cotrain/x/a.cpp",
             {"#include \"nn/b.h\"", "#include \"io/nifti/b.h\"", "#include \"cotrain/metrics/b.h\""}),
      source("tools/a.cpp",
             {"#include \"engine/backend/table.h\"", "#include \"cotrain/b.h\"", "#include <CLI/CLI.hpp>"}),
      source("tests/engine/a.cpp", {"#include <doctest/doctest.h>", "#include \"engine/backend/ref/b.h\"",
                                    "#include \"tests/b.h\""}),
  };
  expect_none(include_violations(good));
}

TEST_CASE("a bad tree on disk is caught, file and line") {
  const TemporaryTree tree;
  tree.write("engine/core/good.h", "#pragma once\n#include <array>\n");
  tree.write("engine/core/README.md", "# core\n");
  tree.write("engine/core/bad.cpp", "#include \"engine/core/good.h\"\n\n#include \"nn/model.h\"\n");
  tree.write("nn/model.h",
             "#pragma once\n#ifdef DUET_ONEDNN\n#endif\n#if defined(__CUDACC__)\n#endif\n#ifdef "
             "DUET_TESTS\n#endif\n");
  std::string lines;
  for (int i = 0; i < kMostLines + 1; ++i) lines += "// a line\n";
  tree.write("nn/long.cpp", lines);
  tree.write("nn/parts/README.md", std::string(kMostReadmeLines + 1, '\n'));
  const std::vector<Source> sources = read_tree(tree.root, kSourceNames);
  CHECK(sources.size() == 4);
  const std::vector<std::string> includes = include_violations(sources);
  REQUIRE(includes.size() == 1);
  CHECK(includes[0] == "engine/core/bad.cpp:3: engine/core may not include nn (\"nn/model.h\")");
  const std::vector<std::string> lengths = length_violations(sources);
  REQUIRE(lengths.size() == 1);
  CHECK(lengths[0] == "nn/long.cpp:501: 501 lines, at most 500");
  const std::vector<std::string> macros = backend_macro_violations(sources);
  REQUIRE(macros.size() == 2);
  CHECK(macros[0].rfind("nn/model.h:2: ", 0) == 0);
  CHECK(macros[1].rfind("nn/model.h:4: ", 0) == 0);
  const std::vector<std::string> readmes = readme_violations(tree.root);
  REQUIRE(readmes.size() == 2);
  CHECK(readmes[0] == "nn/README.md:1: is missing");
  CHECK(readmes[1].rfind("nn/parts/README.md:40: ", 0) == 0);
}

}  // namespace duet::habits
