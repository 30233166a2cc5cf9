// The page in a browser: Chromium, where it is installed, decodes every picture, draws every plot, reports no
// error and scrolls sideways at no width. A wrapper with a script looks into the page, as the page has none.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <optional>
#include <png.h>
#include <set>
#include <sys/wait.h>

#include "io/files/files.h"
#include "tests/cotrain/report_checks.h"
#include "tests/cotrain/report_runs.h"

using namespace duet;
using namespace duet::testing;

namespace {

struct Ran {
  int code = -1;
  std::string output;
};

Ran run(const std::string& command) {
  Ran ran;
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) ran.output.append(buffer, n);
  const int status = pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

// Nothing, after saying so, where there is none.
std::optional<std::string> browser() {
  for (const std::string name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (run("command -v " + name + " 2>/dev/null").code == 0) return name;
  }
  MESSAGE("SKIPPED: no chromium to open the page with (apt-get install chromium)");
  return std::nullopt;
}

// The dumped document, and what the page's console said.
struct Seen {
  int code = -1;
  std::string document, console;
};

Seen open(const std::string& program, const TemporaryFolder& folder, const std::string& file,
          const std::string& options) {
  const std::string log = (folder / "browser.log").string();
  const std::string command =
      "timeout 120 " + program + " --headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars " +
      "--allow-file-access-from-files --virtual-time-budget=10000 --enable-logging=stderr --v=0 "
      "--user-data-dir=" +
      (folder / "profile").string() + " " + options + " file://" + (folder / file).string() + " 2>" + log;
  const Ran ran = run(command);
  Seen seen{ran.code, ran.output, ""};
  std::istringstream lines(contents_of(log));  // most of which are about the machine, not the page
  for (std::string line; std::getline(lines, line);) {
    if (line.find("CONSOLE") != std::string::npos || line.find("Uncaught") != std::string::npos)
      seen.console += line + "\n";
  }
  return seen;
}

// Its title becomes "PICTURES of ALL, plots P, width W of the frame's, console free".
std::string wrapper(const std::string& page, int width) {
  return "<!DOCTYPE html><title>nothing yet</title><iframe id=\"f\" width=\"" + std::to_string(width) +
         "\" height=\"900\" src=\"" + page + R"("></iframe><script>
addEventListener("load", () => {
  const page = document.getElementById("f").contentDocument, pictures = [...page.images];
  const decoded = pictures.filter(p => p.complete && p.naturalWidth > 0).length;
  const plots = [...page.querySelectorAll("figure > svg")].filter(s => s.getBBox().width > 300).length;
  document.title = decoded + " of " + pictures.length + " pictures, " + plots + " plots, " +
                   (page.documentElement.scrollWidth - page.documentElement.clientWidth) + " too wide";
});
</script>)";
}

std::string title_of(const std::string& document) {
  const std::size_t from = document.find("<title>") + 7;
  return document.substr(from, document.find("</title>") - from);
}

std::size_t colours_in(const std::filesystem::path& file, int width, int height) {
  const std::string bytes = contents_of(file);
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) != 0);
  image.format = PNG_FORMAT_RGBA;
  CHECK(static_cast<int>(image.width) == width);
  CHECK(static_cast<int>(image.height) == height);
  std::vector<std::uint32_t> pixels(std::size_t{image.width} * image.height);
  REQUIRE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) != 0);
  return std::set<std::uint32_t>(pixels.begin(), pixels.end()).size();
}

}  // namespace

TEST_CASE("a browser shows the page with all its pictures and plots, and no error") {
  const auto program = browser();
  if (!program) return;
  const TemporaryFolder folder;
  const std::string page = html_page(made_up_study(folder));
  write_file(folder / "page.html", page);

  const Seen seen = open(*program, folder, "page.html", "--dump-dom");
  CHECK(seen.code == 0);
  CHECK(seen.console == "");
  for (const std::string tag :
       {"<img ", "<svg ", "<polyline ", "<table>", "<section>", "<figcaption>", "<td"}) {
    INFO(tag);
    CHECK(count_of(tag, page) > 0);
    CHECK(count_of(tag, seen.document) == count_of(tag, page));
  }

  for (const int width : {340, 1200}) {  // a phone and a screen
    INFO("width ", width);
    write_file(folder / "wrapper.html", wrapper("page.html", width));
    const Seen inside = open(*program, folder, "wrapper.html", "--dump-dom");
    CHECK(inside.code == 0);
    CHECK(inside.console == "");
    CHECK(title_of(inside.document) == "6 of 6 pictures, 7 plots, 0 too wide");
  }

  const Seen drawn = open(*program, folder, "page.html",
                          "--window-size=1280,2600 --screenshot=" + (folder / "screen.png").string());
  CHECK(drawn.code == 0);
  CHECK(drawn.console == "");
  CHECK(colours_in(folder / "screen.png", 1280, 2600) > 100);
}

TEST_CASE("the browser check sees a picture that does not decode, and a script that fails") {
  const auto program = browser();
  if (!program) return;
  const TemporaryFolder folder;
  PageInput input = made_up_study(folder);
  folder.write(input.runs[0].pictures[1].file, "\x89PNG\r\n\x1a\nand no more");
  write_file(folder / "page.html", html_page(input));
  write_file(folder / "wrapper.html", wrapper("page.html", 800));
  CHECK(title_of(open(*program, folder, "wrapper.html", "--dump-dom").document) ==
        "5 of 6 pictures, 7 plots, 0 too wide");

  // The page's own policy keeps a script from running, and the console says so.
  std::string page = contents_of(folder / "page.html");
  page.insert(page.find("</body>"), "<script>document.title = 'ran'</script>");
  write_file(folder / "page.html", page);
  const Seen seen = open(*program, folder, "page.html", "--dump-dom");
  CHECK(title_of(seen.document) == "Hippocampus, 10 labels");
  CHECK(seen.console.find("Content Security Policy") != std::string::npos);
}
