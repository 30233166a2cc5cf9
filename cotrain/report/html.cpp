#include "cotrain/report/html.h"

#include <charconv>
#include <cmath>
#include <openssl/evp.h>

#include "engine/core/errors.h"
#include "io/files/files.h"

namespace duet {
namespace {

constexpr std::size_t kLargestPicture = std::size_t{64} << 20;  // bytes; EVP_EncodeBlock counts in int
constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";

// Colours by the reader's scheme on a screen, black on white on paper. Figures stand side by side where there
// is room, and below each other on a phone; wide tables scroll by themselves.
constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --page: #fff; --ink: #1d2126; --soft: #59626d; --rule: #d5dae0; --tint: #f4f6f8; }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #16191d; --ink: #e4e7eb; --soft: #a2abb6; --rule: #394049; --tint: #1f242a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 76rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.75rem; padding-bottom: 0.25rem; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 1rem 0 0.5rem; }
p { margin: 0.5rem 0; max-width: 46rem; }
.note, figcaption { color: var(--soft); font-size: 0.9rem; }
.grid { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); }
.solo figcaption { max-width: 46rem; }
@media screen and (min-width: 60rem) {
  .solo figure { display: grid; gap: 1.5rem; grid-template-columns: 36rem 1fr; align-items: center; }
}
.pictures { grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figure > svg { display: block; width: 100%; height: auto; max-width: 36rem; }
figure > img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
figcaption { margin-top: 0.4rem; }
.wide { overflow-x: auto; margin: 0.75rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.93rem; overflow-wrap: normal; }
th, td { padding: 0.25rem 0.7rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child, th.name, td.name { text-align: left; }
thead th { background: var(--tint); }
.missing { padding: 2rem 1rem; border: 1px dashed var(--rule); border-radius: 4px; color: var(--soft); }
@media (max-width: 30rem) {
  body { padding: 1rem 0.75rem; }
  th, td { padding: 0.25rem 0.4rem; }
}
@media print {
  :root { color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .grid { grid-template-columns: 1fr 1fr; }
  .solo figure > svg { max-width: 28rem; }
  figure, tr, .grid > div { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .wide { overflow: visible; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)";

// No digit of a locale comes in: neither its decimal point nor its grouping.
std::string converted(double value, std::chars_format format, int precision) {
  if (!std::isfinite(value)) return "-";
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, format, precision).ptr;
  std::string digits(buffer, end);
  if (digits.find_first_not_of("-0.") == std::string::npos && digits[0] == '-') digits.erase(0, 1);  // -0.0
  return digits;
}

}  // namespace

std::string escaped(std::string_view raw) {
  std::string safe;
  for (const char c : raw) {
    if (c == '&') {
      safe += "&amp;";
    } else if (c == '<') {
      safe += "&lt;";
    } else if (c == '>') {
      safe += "&gt;";
    } else if (c == '"') {
      safe += "&quot;";
    } else if (c == '\'') {
      safe += "&#39;";
    } else if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') {
      safe += "\xEF\xBF\xBD";
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string fixed_number(double value, int decimals) {
  return converted(value, std::chars_format::fixed, decimals);
}

std::string short_number(double value, int digits) {
  return converted(value, std::chars_format::general, digits);
}

std::string base64(std::string_view bytes) {
  std::string code((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a NUL
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(code.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  code.resize(static_cast<std::size_t>(length));
  return code;
}

std::string png_data_uri(const std::filesystem::path& file) {
  const std::string bytes = read_file(file, kLargestPicture);
  if (!std::string_view(bytes).starts_with(kPngSignature))
    throw Error(ExitCode::filesystem, text(file.string(), ": expected a PNG file, found other contents"));
  return "data:image/png;base64," + base64(bytes);
}

// The policy lets a browser run and fetch nothing, should escaping ever fail.
std::string page_head(std::string_view title) {
  const std::string name = escaped(title);
  std::string head = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n";
  head +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\"/>\n";
  head += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n";
  head += "<title>" + name + "</title>\n<style>";
  head += kStyle;
  return head + "</style>\n</head>\n<body>\n<h1>" + name + "</h1>\n";
}

std::string page_foot() { return "</body>\n</html>\n"; }

std::string html_figure(const std::string& body, const std::string& caption) {
  if (body.empty()) return "";
  return "<figure>\n" + body + "<figcaption>" + caption + "</figcaption>\n</figure>\n";
}

std::string html_section(const std::string& heading, const std::string& body) {
  if (body.empty()) return "";
  return "<section>\n<h2>" + escaped(heading) + "</h2>\n" + body + "</section>\n";
}

}  // namespace duet
