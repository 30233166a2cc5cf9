// `supervised`: one network, the labelled samples, cross-entropy and Dice with weight 1 on every valid voxel.
#include "cotrain/method/method.h"

namespace duet {
namespace {

class Supervised : public Method {
 public:
  explicit Supervised(const MethodConfig& config) : config_(config) {}
  Index networks() const override { return 1; }
  bool uses_unlabelled() const override { return false; }
  std::vector<std::string> term_names() const override { return {"sup_1"}; }

  std::vector<NamedTerm> terms(const Step& step) override {
    const Var logits = step.networks[0]->forward(training_context(step, 0), Var::constant(step.batch.image));
    return {{"sup_1",
             {supervised_loss(step.backend, config_, logits, step.batch.labels, step.batch.valid), 1.0}}};
  }

 private:
  MethodConfig config_;
};

}  // namespace

std::unique_ptr<Method> make_supervised(const MethodConfig& config) {
  return std::make_unique<Supervised>(config);
}

}  // namespace duet
