// V-Net (after Milletari et al. 2016, in the form of UA-MT's public code): strided convolutions down,
// transposed ones up, both with norm and activation; skips are added; no residuals. Dropout at the bottleneck
// and before the head.
#include "nn/architectures.h"
#include "nn/check.h"

namespace duet {
namespace {

class VNet final : public Network {
 public:
  explicit VNet(LayerSource source) : config_(source.config) {
    const int last = config_.depth - 1;
    auto channels = [&](int stage) { return stage_channels(config_, stage); };
    for (int i = 0; i <= last; ++i) {
      const Index from = i == 0 ? config_.input_channels : channels(i);
      enc_.push_back(make_stage(source, text("enc.", i), vnet_convolutions(i), from, channels(i)));
    }
    for (int i = 0; i < last; ++i) {
      down_.push_back(
          make_unit(source, text("down.", i), 0, halving_spec(config_), channels(i), channels(i + 1)));
    }
    for (int j = 0; j < last; ++j) {
      const int i = last - 1 - j;
      up_.push_back(make_up_unit(source, text("up.", j), channels(i + 1), channels(i)));
    }
    for (int j = 0; j < last; ++j) {
      const int i = last - 1 - j;
      dec_.push_back(make_stage(source, text("dec.", j), vnet_convolutions(i), channels(i), channels(i)));
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
      Var in = i == 0 ? image : apply(one, down_[i - 1], encoding.stages.back());
      encoding.stages.push_back(apply(one, enc_[i], std::move(in)));
    }
    return encoding;
  }

  Var decode(const ForwardContext& context, const Encoding& encoding) override {
    check_encoding(config_, encoding);
    Var x = apply(context, bottleneck_, folded(context, encoding.stages.back()));
    for (std::size_t j = 0; j < dec_.size(); ++j) {
      x = apply(context, up_[j], std::move(x), skip_of(context, encoding.stages[dec_.size() - 1 - j]));
      x = apply(context, dec_[j], std::move(x));
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
    list(down_, all);
    list(up_, all);
    list(dec_, all);
    list(head_, all);
    return all;
  }

  NetworkConfig config_;
  std::vector<Stage> enc_, dec_;  // dec_ from the bottleneck upwards
  Stage down_;
  std::vector<UpNormAct> up_;
  ConvLayer head_;
  DropoutLayer bottleneck_, before_head_;
};

}  // namespace

std::unique_ptr<Network> make_vnet(LayerSource source) { return std::make_unique<VNet>(source); }

}  // namespace duet
