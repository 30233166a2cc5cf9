// The pieces of an HTML page that stands alone: text made safe, numbers, pictures as data, head and style.
// All tags are closed as in XML, so that a page can be checked. Called by page.cpp, page_plots, page_cases
// and svg_plot.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace duet {

// For element text and for attributes in double quotes. Control characters become U+FFFD.
std::string escaped(std::string_view raw);

// With `decimals` digits after a '.', whatever the locale; "-" where the value is not finite.
std::string fixed_number(double value, int decimals);
// At most `digits` significant ones and no trailing zeros: "0.05", "1200", "3e+07"; "-" as above.
std::string short_number(double value, int digits = 4);

std::string base64(std::string_view bytes);
// data: URI of a PNG. Error(filesystem) where it cannot be read or is no PNG: a page shows no other file.
std::string png_data_uri(const std::filesystem::path& file);

// <!DOCTYPE ... <body> with the title as its heading, and what closes it.
std::string page_head(std::string_view title);
std::string page_foot();

// `body` and `caption` are HTML. An empty body gives nothing, so a section without figures vanishes.
std::string html_figure(const std::string& body, const std::string& caption);
std::string html_section(const std::string& heading, const std::string& body);

}  // namespace duet
