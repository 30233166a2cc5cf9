#include "cotrain/report/page.h"

#include "cotrain/report/html.h"
#include "cotrain/report/page_rows.h"

namespace duet {

std::string html_page(const PageInput& input) {
  const std::vector<PageRow> rows = rows_of(input.runs);
  std::string page = page_head(input.title);
  if (!input.table.empty())
    page += html_section("Summary", "<div class=\"wide\">\n" + input.table + "\n</div>\n");
  // A study's first numbers are its table, a single run's are these.
  if (input.table.empty()) page += dice_section(rows);
  page += learning_section(rows);
  page += lanes_section(rows);
  if (input.runs.size() == 1) page += losses_section(input.runs.front());
  page += reliability_section(rows);
  page += left_out_section(rows);
  if (!input.passes.empty()) {
    page += html_section("Uncertainty against the number of passes",
                         "<div class=\"wide\">\n" + input.passes + "\n</div>\n");
  }
  if (!input.table.empty()) page += dice_section(rows);
  page += pictures_section(rows, input.folder);
  return page + page_foot();
}

}  // namespace duet
