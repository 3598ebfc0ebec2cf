// What every method keeps where the products with its frozen base are computed in integers.
#include <gtest/gtest.h>

#include <vector>

#include "contract_test_util.h"
#include "nn/int8_weight.h"

namespace svtune {
namespace int8_contract_test {

using test::Contract;
using test::loss_of;

// Every layer but the head as --base-compute int8 has it.
void multiply_in_int8(Model& model) {
  for (Linear* layer : model.net->linears()) {
    if (layer == &model.net->head() || !layer->base().defined()) continue;
    layer->replace_base(layer->base().with_int8_products());
  }
}

class Int8Contract : public Contract {
 protected:
  void SetUp() override {
    if (!int8_products_are_exact()) GTEST_SKIP() << "int8 products saturate on this processor";
    Contract::SetUp();
  }
  // All gradients of a model that is off its start, one after the other.
  at::Tensor gradients(at::ScalarType dtype, bool in_int8) const {
    Model model = load(dtype);
    const Attached attached = attach_to(model);
    test::disturb(attached.adapters, 0.02);
    if (in_int8) multiply_in_int8(model);
    loss_of(model).backward();
    std::vector<at::Tensor> list;
    for (const Trainable& each : attached.adapters.trainables()) {
      list.push_back(each.tensor.grad().flatten().to(at::kDouble));
    }
    return at::cat(list);
  }
};

TEST_P(Int8Contract, GradientsAreNearThoseOfExactProducts) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor exact = gradients(dtype, false), got = gradients(dtype, true);
    // A product is off by 1 %, forward and backward, and a gradient passes fourteen of them.
    const double allowed = dtype == at::kFloat ? 0.08 : 0.15;  // beside what bf16 itself rounds
    EXPECT_LT(((got - exact).norm() / exact.norm()).item<double>(), allowed) << dtype;
  }
}

TEST_P(Int8Contract, TheSameBitsEveryTime) {
  EXPECT_TRUE(at::equal(gradients(at::kFloat, true), gradients(at::kFloat, true)));
}

INSTANTIATE_TEST_SUITE_P(Methods, Int8Contract, testing::ValuesIn(test::contract_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace int8_contract_test
}  // namespace svtune
