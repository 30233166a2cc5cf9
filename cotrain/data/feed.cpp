#include "cotrain/data/feed.h"

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
  for (Tensor* tensor : {&upload.batch.image, &upload.batch.valid, &upload.batch.labels}) {
    const Tensor from = *tensor;
    if (!from) continue;
    *tensor = backend_.empty(from.shape(), from.dtype(), "batch");
    backend_.upload_beside(tensor->view().data, from.view().data, from.bytes());
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
