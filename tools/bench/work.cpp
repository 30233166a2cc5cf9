#include "tools/bench/work.h"

#include "cotrain/train/weights_file.h"
#include "engine/autograd/node.h"
#include "engine/core/errors.h"
#include "engine/core/parallel.h"

namespace duet::bench {
namespace {

// Everything that the peer fixes: weights of 1, Dice over all classes, one learning rate, no lanes.
RunConfig config_of(const BenchOptions& options) {
  RunConfig config;
  config.model.architecture = options.architecture;
  config.model.classes = options.classes;
  config.model.width = options.width;
  config.model.norm = options.norm == "batch" ? NormKind::batch : NormKind::instance;
  config.model.dropout_p = options.p;
  config.method.name = options.mode == "cotrain" ? "udct" : "supervised";
  config.method.samples = options.samples;
  config.method.fold = std::max<Index>(1, options.fold);
  config.training.bf16 = options.precision == "bf16";
  config.training.recompute = options.recompute;
  config.method.ramp = 0;
  config.method.lanes = "none";
  config.method.dice_background = true;
  config.training.schedule.name = "constant";
  config.training.schedule.rate = 0.01;
  return config;
}

void draw(const Tensor& image, const Tensor& labels, Index classes) {
  const PhiloxKey noise{1, Stream::noise, 0, 0, 0, 0}, order{1, Stream::test, 0, 0, 0, 0};
  float* x = image.data<float>();
  parallel_chunks(image.elements(), Index{1} << 16, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      x[i] = static_cast<float>(draw_normal(noise, 0, static_cast<std::uint64_t>(i)));
  });
  const std::span<std::uint8_t> t = labels.span<std::uint8_t>();
  for (std::size_t i = 0; i < t.size(); ++i)
    t[i] = static_cast<std::uint8_t>(draw_below(order, 0, i, static_cast<std::uint32_t>(classes)));
}

// "input" (N,1,D,H,W), which is our (N,D,H,W,1), and "labels" (N,D,H,W) of integers.
void load(const std::filesystem::path& path, const Tensor& image, const Tensor& labels) {
  const SafetensorsFile file = read_safetensors(path);
  const Shape& s = image.shape();
  const auto need = [&](const char* name, StoredType type, const std::vector<Index>& shape) {
    const NamedArray wanted{name, type, shape, {}};
    const NamedArray* found = file.find(name);
    if (!found || found->type != type || found->shape != shape) {
      throw Error(ExitCode::data, text(path.string(), ": expected ", name, ' ', describe(wanted), ", found ",
                                       found ? describe(*found) : "no such array"));
    }
    return found;
  };
  const auto x = values_of<float>(*need("input", StoredType::f32, {s.n, 1, s.d, s.h, s.w}));
  std::copy(x.begin(), x.end(), image.span<float>().begin());
  const auto t = values_of<std::int64_t>(*need("labels", StoredType::i64, {s.n, s.d, s.h, s.w}));
  const std::span<std::uint8_t> to = labels.span<std::uint8_t>();  // the labelled samples are the first ones
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::uint8_t>(t[i]);
}

Batch make_batch_of(Backend& backend, const BenchOptions& options) {
  Batch batch;
  const Shape shape{options.batch, options.size[0], options.size[1], options.size[2], 1};
  batch.labelled = options.mode == "cotrain" ? options.batch / 2 : options.batch;
  batch.image = Tensor(backend.host, shape, DType::f32, "bench");
  batch.valid = backend.filled(shape, DType::f32, 1.0, "bench");
  batch.labels = Tensor(backend.host, shape.with_batch(batch.labelled), DType::u8, "bench");
  if (options.input.empty()) {
    draw(batch.image, batch.labels, options.classes);
  } else {
    load(options.input, batch.image, batch.labels);
  }
  batch.case_ids.assign(static_cast<std::size_t>(options.batch), "made up");
  return on_device(backend, std::move(batch));
}

double infer(Backend& backend, const Work& work) {
  const NoGrad no_grad;
  ForwardContext context{backend};
  context.bf16 = work.config.training.bf16;
  const Tensor logits = work.state.networks[0]->forward(context, Var::constant(work.batch.image)).value();
  const Tensor mean = backend.empty(Shape::scalar(), logits.dtype(), "bench");
  backend.loss->reduce_sum({}, logits.cview(), 1.0 / static_cast<double>(logits.elements()), mean.view(),
                           Accum::write);
  return scalar_value(mean);
}

}  // namespace

Work make_work(Backend& backend, const BenchOptions& options) {
  check_options(options);
  Work work;
  work.config = config_of(options);
  const bool volume = options.mode == "volume";
  if (volume || options.mode == "infer") {
    for (std::uint32_t i = 0; i < network_count(options); ++i)
      work.state.networks.push_back(make_network(backend, work.config.model, work.config.training.seed, i));
  } else {
    work.state = make_training_state(backend, work.config, options.classes);
  }
  for (std::size_t i = 0; i < options.weights.size(); ++i)
    read_weights(options.weights[i], *work.state.networks[i]);
  if (volume) {
    work.volume = make_volume(options);
  } else {
    work.batch = make_batch_of(backend, options);
  }
  return work;
}

double take_step(Backend& backend, Work& work) {
  const Index number = work.step++;
  if (!work.batch.image) return segment(backend, work.state.networks, work.volume);
  if (!work.state.method) return infer(backend, work);
  const StepReport report = run_step(backend, work.config, work.state, work.batch, number);
  double sum = 0;  // all weights are 1
  for (const auto& term : report.terms) sum += term.value_or(0);
  return sum;
}

}  // namespace duet::bench
