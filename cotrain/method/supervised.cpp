// `supervised`: the labelled samples alone, cross-entropy and Dice with weight 1 on every valid voxel. One
// network, or two that know nothing of each other: their mean prediction is what a pair's is to be held
// against.
#include "cotrain/method/method.h"

namespace duet {
namespace {

class Supervised : public Method {
 public:
  explicit Supervised(const MethodConfig& config) : config_(config) {}
  Index networks() const override { return config_.networks; }
  bool uses_unlabelled() const override { return false; }
  std::vector<std::string> term_names() const override {
    std::vector<std::string> names;
    for (Index i = 1; i <= networks(); ++i) names.push_back(text("sup_", i));
    return names;
  }

  std::vector<NamedTerm> terms(const Step& step) override {
    std::vector<NamedTerm> terms;
    for (std::size_t i = 0; i < step.networks.size(); ++i) {
      const Var logits =
          step.networks[i]->forward(training_context(step, i), Var::constant(step.batch.image));
      const Var loss = supervised_loss(step.backend, config_, logits, step.batch.labels, step.batch.valid);
      terms.push_back({text("sup_", i + 1), {loss, 1.0}});
    }
    return terms;
  }

 private:
  MethodConfig config_;
};

}  // namespace

std::unique_ptr<Method> make_supervised(const MethodConfig& config) {
  return std::make_unique<Supervised>(config);
}

}  // namespace duet
