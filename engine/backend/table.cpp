#include "engine/backend/table.h"

#include "engine/backend/ref/ref.h"
#ifdef DUET_WITH_ONEDNN
#include "engine/backend/onednn/onednn.h"
#endif

namespace duet {

std::vector<std::string> backend_names() {
#ifdef DUET_WITH_ONEDNN
  return {"onednn", "ref"};
#else
  return {"ref"};
#endif
}

std::unique_ptr<Backend> make_backend(const std::string& name) {
  if (name == "ref") return make_ref_backend();
#ifdef DUET_WITH_ONEDNN
  if (name == "onednn") return make_onednn_backend();
#endif
  std::string known;
  for (const std::string& each : backend_names()) known += " " + each;
  throw Error(ExitCode::device, text("backend '", name, "' is not in this build; it has:", known));
}

std::unique_ptr<Backend> make_default_backend() { return make_backend(backend_names().front()); }

std::optional<AloneTime> convolution_alone([[maybe_unused]] const AloneRequest& request) {
#ifdef DUET_WITH_ONEDNN
  return onednn_convolution_alone(request);
#else
  return std::nullopt;
#endif
}

std::vector<std::string> vendor_versions() {
  std::vector<std::string> lines;
#ifdef DUET_WITH_ONEDNN
  lines.push_back(onednn_version());
#endif
  return lines;
}

}  // namespace duet
