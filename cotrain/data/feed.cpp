#include "cotrain/data/feed.h"

#include <utility>

namespace duet {

// A failure of the device shows in the next call that may throw.
BatchFeed::~BatchFeed() {
  if (!coming_.batch.image) return;
  try {
    backend_.await_uploads();
    backend_.wait();
  } catch (...) {
  }
}

BatchFeed::Upload BatchFeed::begin(Batch staged) const {
  Upload upload{std::move(staged), {}};
  upload.batch = upload.staged;
  const Batch& from = upload.staged;
  Batch& to = upload.batch;
  const std::pair<const Tensor*, Tensor*> tensors[] = {
      {&from.image, &to.image}, {&from.valid, &to.valid}, {&from.labels, &to.labels}};
  for (const auto& [host, device] :
       tensors) {  // all before the first copy, which a failure would leave behind
    if (*host) *device = backend_.empty(host->shape(), host->dtype(), "batch");
  }
  for (const auto& [host, device] : tensors) {
    if (*host) backend_.upload_beside(device->view().data, host->view().data, host->bytes());
  }
  return upload;
}

// The upload of the following batch begins before the step of this one is given to the device; where the
// loader is behind, the step does not wait for it.
Batch BatchFeed::next() {
  if (!backend_.upload_beside) return loader_.next();
  if (!coming_.batch.image) coming_ = begin(loader_.next());
  backend_.await_uploads();
  present_ = std::move(coming_);
  coming_ = {};
  if (loader_.is_ready()) coming_ = begin(loader_.next());
  return present_.batch;
}

}  // namespace duet
