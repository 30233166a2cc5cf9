// U-Net (Ronneberger et al. 2015; Cicek et al. 2016), padded so that sizes are kept: two convolutions a
// stage, max-pool down, a transposed convolution up that halves the channels, skips concatenated in front.
// Dropout at the bottleneck and before the head.
#include "engine/ops/region.h"
#include "nn/architectures.h"
#include "nn/check.h"

namespace duet {
namespace {

class UNet final : public Network {
 public:
  explicit UNet(LayerSource source) : config_(source.config) {
    const int last = config_.depth - 1;
    const Conv3dSpec halving = halving_spec(config_);
    pool_ = {halving.kernel, halving.stride, {0, 0, 0}};
    auto channels = [&](int stage) { return stage_channels(config_, stage); };
    for (int i = 0; i <= last; ++i) {
      const Index from = i == 0 ? config_.input_channels : channels(i - 1);
      enc_.push_back(make_stage(source, text("enc.", i), kUnetConvolutions, from, channels(i)));
    }
    for (int j = 0; j < last; ++j) {
      const int i = last - 1 - j;
      up_.push_back(make_conv_transpose(source, text("up.", j), halving, channels(i + 1), channels(i)));
    }
    for (int j = 0; j < last; ++j) {
      const int i = last - 1 - j;
      dec_.push_back(make_stage(source, text("dec.", j), kUnetConvolutions, 2 * channels(i), channels(i)));
    }
    head_ = make_conv(source, "head", pointwise_spec(), config_.width, config_.classes);
    bottleneck_ = make_dropout(config_, 0);
    before_head_ = make_dropout(config_, 1);
  }

  const NetworkConfig& config() const override { return config_; }
  Triple stride() const override { return network_stride(config_); }

  Encoding encode(const ForwardContext& context, const Var& x) override {
    check_input(config_, x.shape());
    const ForwardContext one = unfolded(context);
    Encoding encoding;
    const Var image = network_input(context, x);
    for (std::size_t i = 0; i < enc_.size(); ++i) {
      Var in = i == 0 ? image : max_pool(context.backend, pool_, encoding.stages.back());
      encoding.stages.push_back(apply(one, enc_[i], std::move(in)));
    }
    return encoding;
  }

  Var decode(const ForwardContext& context, const Encoding& encoding) override {
    check_encoding(config_, encoding);
    Var x = apply(context, bottleneck_, folded(context, encoding.stages.back()));
    for (std::size_t j = 0; j < dec_.size(); ++j) {
      const Var parts[] = {folded(context, encoding.stages[dec_.size() - 1 - j]), apply(context, up_[j], x)};
      x = {};
      x = apply(context, dec_[j], concat(context.backend, Axis::c, parts));
    }
    return apply_head(context, before_head_, head_, x);
  }

  std::vector<ParameterPtr> parameters() const override { return inventory().parameters; }
  std::vector<NamedTensor> state() const override { return inventory().state; }

  std::vector<ParameterPtr> tail_parameters() const override {
    Inventory tail;
    list(dec_.back(), tail);
    list(head_, tail);
    return tail.parameters;
  }

 private:
  Inventory inventory() const {
    Inventory all;
    list(enc_, all);
    list(up_, all);
    list(dec_, all);
    list(head_, all);
    return all;
  }

  NetworkConfig config_;
  PoolSpec pool_;
  std::vector<Stage> enc_, dec_;  // dec_ from the bottleneck upwards
  std::vector<ConvTransposeLayer> up_;
  ConvLayer head_;
  DropoutLayer bottleneck_, before_head_;
};

}  // namespace

std::unique_ptr<Network> make_unet(LayerSource source) { return std::make_unique<UNet>(source); }

}  // namespace duet
