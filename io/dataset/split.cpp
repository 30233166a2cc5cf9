#include "io/dataset/split.h"

#include <algorithm>
#include <span>

#include "engine/core/errors.h"
#include "engine/core/philox.h"
#include "io/dataset/sha256.h"
#include "io/nifti/paths.h"

namespace duet {
namespace {

bool by_id(const Case& a, const Case& b) { return a.id < b.id; }

std::vector<Case> labelled_cases(const Dataset& data) {
  std::vector<Case> found;
  std::copy_if(data.cases.begin(), data.cases.end(), std::back_inserter(found),
               [](const Case& one) { return one.labelled(); });
  std::sort(found.begin(), found.end(), by_id);
  return found;
}

void check_request(const Dataset& data, const SplitRequest& request, Index there) {
  const auto fail = [&](const std::string& why) {
    throw Error(ExitCode::data, text(data.file.string(), ": ", why));
  };
  const bool all = request.labelled == -1;
  if ((!all && request.labelled < 1) || request.validation < 0 || request.report < 0) {
    fail(text(
        "split: expected labelled of at least 1 (or -1: all), validation and report of at least 0, found ",
        request.labelled, ", ", request.validation, ", ", request.report));
  }
  const Index labelled = all ? 1 : request.labelled;
  // Compared by subtraction: the sum of what was asked for may overflow.
  if (request.report <= there && request.validation <= there - request.report &&
      labelled <= there - request.report - request.validation) {
    return;
  }
  fail(text("split: asked for ", all ? "at least 1" : std::to_string(labelled), " labelled + ",
            request.validation, " validation + ", request.report,
            " report cases, which all need labels; the data set has ", there, " labelled cases of ",
            data.cases.size()));
}

enum class Draw : std::uint32_t { held_out, labelled };

// Fisher and Yates, from the end.
void shuffle(std::span<Case> cases, std::uint64_t seed, Draw draw) {
  const PhiloxKey key = {.seed = seed, .stream = Stream::split, .layer = static_cast<std::uint32_t>(draw)};
  for (std::size_t i = cases.size(); i > 1; --i) {
    std::swap(cases[i - 1], cases[draw_below(key, 0, i - 1, static_cast<std::uint32_t>(i))]);
  }
}

}  // namespace

Split make_split(const Dataset& data, const SplitRequest& request) {
  std::vector<Case> pool = labelled_cases(data);
  check_request(data, request, static_cast<Index>(pool.size()));
  shuffle(pool, request.held_out_seed, Draw::held_out);
  Split split;
  split.seed = request.seed;
  auto next = pool.begin();
  const auto take = [&](std::vector<SplitCase>& into, Index count) {
    for (; count > 0; --count, ++next) into.push_back(SplitCase{*next, "", ""});
  };
  take(split.report, request.report);
  take(split.validation, request.validation);
  std::sort(next, pool.end(), by_id);  // so that who is left decides, not how they were shuffled
  shuffle({next, pool.end()}, request.seed, Draw::labelled);
  take(split.labelled, request.labelled == -1 ? pool.end() - next : request.labelled);
  take(split.unlabelled, pool.end() - next);
  for (const Case& one : data.cases) {
    if (!one.labelled()) split.unlabelled.push_back(SplitCase{one, "", ""});
  }
  for (SplitCase& one : split.unlabelled)
    one.label.clear();  // hidden, so that nothing can learn from it by mistake
  for (auto* list : {&split.report, &split.validation, &split.labelled, &split.unlabelled})
    std::sort(list->begin(), list->end(), by_id);
  return split;
}

void hash_split(Split& split) {
  for (auto* list : {&split.labelled, &split.unlabelled, &split.validation, &split.report}) {
    for (SplitCase& one : *list) {
      one.image_sha256 = sha256_of_image(one.image);
      one.label_sha256 = one.labelled() ? sha256_of_image(one.label) : "";
    }
  }
}

Split found_in(Split recorded, const Dataset& data) {
  for (auto* list : {&recorded.labelled, &recorded.unlabelled, &recorded.validation, &recorded.report}) {
    for (SplitCase& one : *list) {
      const auto now = std::ranges::find(data.cases, one.id, &Case::id);
      if (now == data.cases.end()) continue;
      one.image = now->image;
      if (one.labelled() && now->labelled()) one.label = now->label;
    }
  }
  return recorded;
}

void verify_split(const Split& recorded) {
  std::size_t count = 0, missing = 0;
  std::string named;
  const auto check = [&](const SplitCase& one, const std::filesystem::path& file,
                         const std::string& expected) {
    std::error_code ignored;
    const bool there = std::filesystem::exists(file, ignored);
    if (there && sha256_of_image(file) == expected) return;
    // Of a pair older versions recorded the named file alone.
    if (there && nifti::is_pair_path(file) && sha256_of_file(file) == expected) return;
    missing += there ? 0 : 1;
    if (++count <= 5) {
      named += text(count > 1 ? ", " : "", file.string(), " of case ", one.id,
                    there ? " (changed)" : " (missing)");
    }
  };
  for (const auto* list :
       {&recorded.labelled, &recorded.unlabelled, &recorded.validation, &recorded.report}) {
    for (const SplitCase& one : *list) {
      check(one, one.image, one.image_sha256);
      if (one.labelled()) check(one, one.label, one.label_sha256);
    }
  }
  if (count == 0) return;
  const std::string more = count > 5 ? text(" and ", count - 5, " more") : "";
  const char* moved = missing == 0 ? ""
                                   : "; where the data set has moved: --set data.dataset=FILE of train, "
                                     "--dataset FILE of report";
  throw Error(ExitCode::data, text("the data is not what split.json recorded: ", named, more, moved));
}

}  // namespace duet
