// Models whose matrices stay in the file's dtype under fp32 arithmetic.
#include <gtest/gtest.h>

#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"

namespace svtune {
namespace narrow_weights_test {

Model load_in_fp32(const std::filesystem::path& path) {
  return load_model(path, {.dtype = at::kFloat});
}

// The same values as fp32 in the file.
void write_widened(const std::filesystem::path& path, const test::TinyModel& tiny) {
  std::filesystem::create_directories(path);
  write_file_atomic(path / "config.json", dump_json(test::tiny_config(tiny), 2));
  std::vector<NamedTensor> tensors = test::tiny_tensors(tiny);
  for (NamedTensor& each : tensors) each.tensor = each.tensor.to(at::kFloat);
  write_tensors(path / "model.safetensors", tensors);
}

class NarrowModel : public testing::TestWithParam<test::TinyModel> {};

TEST_P(NarrowModel, ComputesWhatTheWidenedOneDoes) {
  const test::TempDirectory folder;
  const test::TinyModel& tiny = GetParam();
  test::write_tiny_model(folder.path() / "narrow", tiny);
  write_widened(folder.path() / "wide", tiny);
  Model narrow = load_in_fp32(folder.path() / "narrow");
  Model wide = load_in_fp32(folder.path() / "wide");
  EXPECT_EQ(narrow.dtype(), at::kFloat);
  for (const Linear* layer : narrow.net->linears()) {
    EXPECT_EQ(layer->base().dtype(), at::kFloat) << layer->name();
    EXPECT_EQ(layer->base().nbytes(), 2 * layer->in_features() * layer->out_features())
        << layer->name();
  }
  EXPECT_EQ(narrow.net->embedding().weight().scalar_type(), tiny.dtype);
  // fp32 sums in another order.
  EXPECT_LT(test::max_difference(test::logits_of(narrow), test::logits_of(wide)), 2e-5);
  const Batch batch = test::one_document(test::tiny_tokens());
  const double got = narrow.net->loss(batch).item<double>();
  const double wanted = wide.net->loss(batch).item<double>();
  EXPECT_NEAR(got, wanted, 2e-5 * wanted);
}

INSTANTIATE_TEST_SUITE_P(Io, NarrowModel,
                         testing::Values(test::TinyModel{.dtype = at::kBFloat16},
                                         test::TinyModel{.tied = true, .dtype = at::kBFloat16},
                                         test::TinyModel{.family = "gemma", .dtype = at::kBFloat16},
                                         test::TinyModel{.family = "qwen2", .dtype = at::kHalf}),
                         [](const auto& info) {
                           return info.param.family + (info.param.tied ? "Tied" : "") +
                                  (info.param.dtype == at::kHalf ? "Fp16" : "Bf16");
                         });

// A file in several dtypes: what is stored in fp32 is not rounded.
TEST(NarrowFile, Fp32MatricesAmongThemAreKept) {
  const test::TempDirectory folder;
  const test::TinyModel tiny{.dtype = at::kBFloat16};
  std::vector<NamedTensor> tensors = test::tiny_tensors(tiny);
  const std::string name = "model.layers.0.mlp.up_proj";
  for (NamedTensor& each : tensors) {
    if (each.name == name + ".weight") each.tensor = each.tensor.to(at::kFloat) * 1.001;
  }
  write_file_atomic(folder.path() / "config.json", dump_json(test::tiny_config(tiny), 2));
  write_tensors(folder.path() / "model.safetensors", tensors);
  Model model = load_in_fp32(folder.path());
  for (const Linear* layer : model.net->linears()) {
    const auto stored = layer->name() == name ? at::kFloat : at::kBFloat16;
    EXPECT_EQ(layer->base().stored().scalar_type(), stored) << layer->name();
  }
}

}  // namespace narrow_weights_test
}  // namespace svtune
