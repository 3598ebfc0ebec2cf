#include "export/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter_files/adapter_file.h"
#include "adapter_files/adapter_head.h"
#include "adapter_files/low_rank_export.h"
#include "adapter_files/peft_directory.h"
#include "adapters/low_rank/low_rank_adapter.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/preprocessor_file.h"
#include "io/safetensors_source.h"
#include "io/tiny_encoder_test_util.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"

namespace svtune {
namespace export_test {

using test::TempDirectory;
using ::testing::HasSubstr;

const TargetOptions kAllLinear = {.target_modules = {"all-linear"}};

class Export : public ::testing::Test {
 protected:
  Model load(const test::TinyModel& tiny) {
    test::write_tiny_model(directory_ / "m", tiny);
    return load_model(directory_ / "m");
  }
  at::Tensor logits_with(const std::filesystem::path& base, const std::string& adapter) {
    Model model = load_model(base);
    load_adapter(model, directory_ / adapter);
    return test::logits_of(model);
  }

  TempDirectory directory_;
};

double frobenius(const at::Tensor& tensor) { return tensor.to(at::kDouble).norm().item<double>(); }

TEST(Recompress, ErrorIsExactlyWhatWasDropped) {
  const LowRankDelta delta{test::random_tensor({12, 40}, 1, 1), test::random_tensor({30, 12}, 1, 2),
                           0.7};
  const at::Tensor whole =
      at::mm(delta.up.to(at::kDouble), delta.down.to(at::kDouble)) * delta.scale;
  for (const double tolerance : {0.0, 0.1, 0.4, 0.9, 1.0}) {
    double error = -1, norm = -1;
    const LowRankDelta cut =
        recompress(delta, {.tolerance = tolerance, .max_rank = {}}, error, norm);
    const at::Tensor kept = at::mm(cut.up.to(at::kDouble), cut.down.to(at::kDouble)) * cut.scale;
    EXPECT_NEAR(norm, frobenius(whole), 1e-9 * norm);
    // The kept factors are fp32, the error is of fp64 ones.
    EXPECT_NEAR(frobenius(whole - kept), error, 3e-7 * norm) << tolerance;
    EXPECT_TRUE(error <= tolerance * norm + 1e-12 || cut.down.size(0) == 1) << error;
    EXPECT_EQ(cut.scale, 1.0);
  }
}

TEST(Recompress, KeepsTheSmallestRankThatFits) {
  // Singular values 4, 3, 2, 1 of a diagonal matrix; dropping the last one costs 1/sqrt(30).
  const at::Tensor values = at::tensor({4.F, 3.F, 2.F, 1.F});
  const LowRankDelta delta{at::diag(values), at::eye(4), 1.0};
  const auto rank = [&](double tolerance, std::optional<std::int64_t> most = {}) {
    double error, norm;
    return recompress(delta, {.tolerance = tolerance, .max_rank = most}, error, norm).down.size(0);
  };
  const double drop_one = 1 / std::sqrt(30.0), drop_two = std::sqrt(5 / 30.0);
  EXPECT_EQ(rank(drop_one * 0.999), 4);
  EXPECT_EQ(rank(drop_one * 1.001), 3);
  EXPECT_EQ(rank(drop_two * 0.999), 3);
  EXPECT_EQ(rank(drop_two * 1.001), 2);
  EXPECT_EQ(rank(0, 2), 2);
  EXPECT_EQ(rank(1.0), 1);
}

TEST_F(Export, UntrainedPissaAddsNothing) {
  Model model = load({});
  const Attached attached = attach(model, PissaConfig{.low_rank = {.rank = 4}}, {}, {});
  for (Linear* layer : attached.adapters.layers) {
    const LowRankDelta delta = layer->adapter()->low_rank_delta().value();
    EXPECT_EQ(frobenius(at::mm(delta.up, delta.down)), 0) << layer->name();
  }
}

TEST_F(Export, AllFormsOfPissaGiveTheTrainedLogits) {
  Model model = load({.family = "qwen2", .tied = true});
  const at::Tensor start = test::logits_of(model);
  const Attached attached =
      attach(model, PissaConfig{.low_rank = {.rank = 10, .alpha = 5.0}}, kAllLinear, {.seed = 2});
  test::disturb(attached.adapters);
  const at::Tensor trained = test::logits_of(model);
  EXPECT_GT(test::max_difference(start, trained), 0.1);
  const auto& [adapters, record, report] = attached;

  const LoraExportReport exact = export_lora(model, adapters, record, directory_ / "b");
  EXPECT_EQ(exact.rank, 20);  // also for k_proj, where 20 exceeds min(16, 32)
  EXPECT_LT(test::max_difference(logits_with(directory_ / "m", "b"), trained), 1e-5);

  const LoraExportReport small =
      export_lora(model, adapters, record, directory_ / "c", {.tolerance = 1e-6});
  EXPECT_LE(small.rank, 20);
  EXPECT_LE(small.largest_relative_error, 1e-6);
  EXPECT_EQ(small.layers[1].rank, 16);  // k_proj
  EXPECT_LT(test::max_difference(logits_with(directory_ / "m", "c"), trained), 1e-5);

  export_residual(model, adapters, record, directory_ / "a");
  EXPECT_LT(test::max_difference(logits_with(directory_ / "a" / "base", "a/adapter"), trained),
            1e-5);

  // On the original base the residual's adapter would be wrong by the principal part.
  EXPECT_GT(test::max_difference(logits_with(directory_ / "m", "a/adapter"), trained), 0.1);
}

// Without factors of its own, or with more of them than the update needs.
TEST_F(Export, AnUpdateBetweenSingularVectorsGetsTheSmallestRank) {
  Model svft = load({}), pica = load({});
  const TargetOptions queries{.target_modules = {"q_proj"}};
  const Attached plain = attach(svft, SvftConfig{.pattern = SvftPattern::kPlain}, queries, {});
  for (const Trainable& each : plain.adapters.trainables()) {
    each.tensor.detach().slice(0, 5, 8).fill_(0.5);  // three of 32 singular values move
  }
  plain.adapters.refresh();
  const Attached wide = attach(pica, PicaConfig{.rank = 6}, queries, {});
  for (const Trainable& each : wide.adapters.trainables()) {
    each.tensor.detach().copy_(at::mm(test::random_tensor({each.tensor.size(0), 2}, 0.3, 1),
                                      test::random_tensor({2, 6}, 0.3, 2)));
  }
  const auto rank = [&](Model& model, const Attached& attached, const std::string& name) {
    const LoraExportReport report = export_lora(model, attached.adapters, attached.record,
                                                directory_ / name, {.tolerance = 1e-5});
    EXPECT_LE(report.largest_relative_error, 1e-5);
    EXPECT_LT(test::max_difference(logits_with(directory_ / "m", name), test::logits_of(model)),
              1e-4);
    return report.rank;
  };
  EXPECT_EQ(rank(svft, plain, "svft"), 3);
  EXPECT_EQ(rank(pica, wide, "pica"), 2);
}

// The base that is written has them all already.
TEST_F(Export, TheResidualOfRepeatedLayersRepeatsNoneAgain) {
  test::write_tiny_model(directory_ / "m", {});
  LoadOptions options;
  options.layer_replication = {{0, 2}, {1, 3}};
  Model model = load_model(directory_ / "m", options);
  const Attached attached = attach(model, PissaConfig{.low_rank = {.rank = 4}}, {}, {});
  test::disturb(attached.adapters);
  export_residual(model, attached.adapters, attached.record, directory_ / "r");
  // fp32 sums in another order.
  EXPECT_LT(test::max_difference(logits_with(directory_ / "r" / "base", "r/adapter"),
                                 test::logits_of(model)),
            1e-5);
}

TEST_F(Export, RankLimitReportsItsError) {
  Model model = load({});
  const Attached attached = attach(model, LoraConfig{.low_rank = {.rank = 8}}, {}, {});
  test::disturb(attached.adapters);
  const LoraExportReport report =
      export_lora(model, attached.adapters, attached.record, directory_ / "cut", {.max_rank = 3});
  EXPECT_EQ(report.rank, 3);
  EXPECT_GT(report.largest_relative_error, 0.05);
  Model again = load_model(directory_ / "m");
  const LoadedAdapter loaded = load_adapter(again, directory_ / "cut");
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    Linear& whole = *attached.adapters.layers[i];
    Linear& cut = *loaded.adapters.layers[i];
    const double error = frobenius(whole.effective_weight() - cut.effective_weight());
    EXPECT_NEAR(error, report.layers[i].error, 1e-5 * (1 + error)) << whole.name();
  }
}

// No file of PEFT's has a place for them.
TEST_F(Export, NamesOfLabelsAndPreparationStandBesideTheLora) {
  test::write_tiny_encoder(directory_ / "e", {.bare = true});
  LoadOptions headed;
  headed.head = NewHead{HeadTask::kDocument, 3, {"cat", "dog", "fox"}, 4};
  Model model = load_model(directory_ / "e", headed);
  model.preprocessor = parse_json(R"({"size": 56})", "test");
  const Attached attached = attach(model, LoraConfig{.low_rank = {.rank = 2}}, kAllLinear, {});
  test::disturb(attached.adapters);
  export_lora(model, attached.adapters, attached.record, directory_ / "lora");
  EXPECT_EQ(read_preprocessor(directory_ / "lora"), model.preprocessor);
  LoadOptions told;
  told.head = adapter_head(directory_ / "e", directory_ / "lora");
  ASSERT_TRUE(told.head);
  EXPECT_EQ(told.head->names, headed.head->names);
  Model again = load_model(directory_ / "e", told);
  load_adapter(again, directory_ / "lora");
  EXPECT_LT(test::max_difference(test::document_logits_of(again), test::document_logits_of(model)),
            1e-5);
}

TEST_F(Export, HeadOfHiddenWordsIsToldBesideTheLora) {
  test::write_tiny_encoder(directory_ / "e", {.bare = true});
  LoadOptions headed;
  headed.head = NewHead{HeadTask::kMasked};
  Model model = load_model(directory_ / "e", headed);
  const Attached attached = attach(model, LoraConfig{.low_rank = {.rank = 2}}, kAllLinear, {});
  export_lora(model, attached.adapters, attached.record, directory_ / "lora");
  const auto told = adapter_head(directory_ / "e", directory_ / "lora");
  ASSERT_TRUE(told);
  EXPECT_EQ(told->task, HeadTask::kMasked);
  headed.head = told;
  Model again = load_model(directory_ / "e", headed);
  EXPECT_NO_THROW(load_adapter(again, directory_ / "lora"));
}

// Of a model whose head has a start, PEFT stores what the start left of the head as well.
TEST_F(Export, TheRestOfAHeadIsReadAsItsFrozenBase) {
  PissaConfig pissa;
  pissa.low_rank.rank = 4;
  pissa.svd = PissaSvd::kExact;
  const std::filesystem::path adapter = directory_ / "residual" / "adapter";
  const auto write = [&](const Model& model, const Attached& attached, double more) {
    export_residual(model, attached.adapters, attached.record, directory_ / "residual",
                    {.if_exists = IfExists::kReplace});
    Json config = read_json_file(adapter / kPeftConfigFile);
    config["init_lora_weights"] = "pissa";
    write_file_atomic(adapter / kPeftConfigFile, dump_json(config));
    std::vector<NamedTensor> tensors;
    {
      const SafetensorsSource file(adapter / kPeftWeightsFile);
      for (const std::string& name : file.names()) {
        tensors.push_back({name, file.read(name, at::kFloat)->clone()});
      }
      const SafetensorsSource base(directory_ / "residual" / "base");
      const at::Tensor rest = *base.read("lm_head.weight", at::kFloat) + more;
      tensors.push_back({std::string(kPeftKeyPrefix) + "lm_head.base_layer.weight", rest});
    }
    write_tensors(adapter / kPeftWeightsFile, tensors);
  };
  const auto error = [&] {
    try {
      logits_with(directory_ / "m", "residual/adapter");
    } catch (const FileError& failure) {
      return std::string(failure.what());
    }
    return std::string("loaded");
  };
  for (const bool tied : {false, true}) {
    Model model = load({.tied = tied});
    const Attached attached =
        attach(model, pissa, {.target_modules = {"q_proj", "lm_head"}}, {.seed = 5});
    test::disturb(attached.adapters);
    write(model, attached, 0);
    if (tied) {
      EXPECT_THAT(error(), HasSubstr("the two are one tensor"));
      continue;
    }
    const at::Tensor got = logits_with(directory_ / "m", "residual/adapter");
    EXPECT_LT(test::max_difference(got, test::logits_of(model)), 1e-3);
    write(model, attached, 0.1);
    EXPECT_THAT(error(), HasSubstr("lm_head.base_layer.weight is not the base model's"));
  }
}

TEST_F(Export, OnlyPissaHasAResidual) {
  Model model = load({});
  const Attached attached = attach(model, LoraConfig{}, {}, {});
  EXPECT_THROW(export_residual(model, attached.adapters, attached.record, directory_ / "r"),
               UsageError);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "r"));
}

TEST_F(Export, FullModelHasNoLoraForm) {
  Model model = load({});
  const Attached attached = attach(model, FullConfig{}, {}, {});
  EXPECT_THROW(export_lora(model, attached.adapters, attached.record, directory_ / "l"),
               UsageError);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "l"));
}

TEST_F(Export, MergeRoundsOnceAndReportsTheLargestChange) {
  Model model = load({.dtype = at::kBFloat16});
  const Attached attached = attach(model, LoraConfig{.low_rank = {.rank = 4}}, kAllLinear, {});
  test::disturb(attached.adapters);
  const MergeReport report = merge_to_directory(model, attached.adapters, directory_ / "merged");
  EXPECT_EQ(report.dtype, at::kBFloat16);
  ASSERT_EQ(report.changes.size(), 21u);
  EXPECT_EQ(report.changes[0].name, "model.layers.0.self_attn.q_proj");
  Model merged = load_model(directory_ / "merged");
  double largest = 0;
  for (std::size_t i = 0; i < report.changes.size(); ++i) {
    const Linear& layer = *attached.adapters.layers[i];
    const at::Tensor written = merged.net->linears()[i]->base().dense();
    const at::Tensor expected =
        layer.effective_weight().to(at::kBFloat16).to(written.scalar_type());
    EXPECT_TRUE(written.equal(expected)) << layer.name();
    const at::Tensor base = layer.base().dense_high_precision();
    const double change = test::max_difference(written, base);
    EXPECT_DOUBLE_EQ(report.changes[i].largest, change) << layer.name();
    largest = std::max(largest, change);
  }
  EXPECT_DOUBLE_EQ(report.largest, largest);
}

// A LoRA with a bias on the branch, as PEFT's lora_bias makes it.
void add_biases(const AdapterSet& adapters) {
  std::uint64_t seed = 300;
  for (Linear* layer : adapters.layers) {
    auto& adapter = dynamic_cast<LowRankAdapter&>(*layer->adapter());
    adapter.set_branch_bias(test::random_tensor({layer->out_features()}, 0.5, seed++));
  }
}

TEST_F(Export, TheBranchBiasIsMergedAndExported) {
  const LoraConfig lora{.low_rank = {.rank = 4, .alpha = 12.0}};
  for (const std::string family : {"llama", "qwen3", "qwen2", "gemma"}) {
    SCOPED_TRACE(family);
    Model model = load({.family = family});
    TargetOptions targets{.target_modules = {"q_proj", "v_proj"}};
    if (family == "llama") targets.target_modules = {"o_proj", "up_proj"};
    const Attached attached = attach(model, lora, targets, {});
    add_biases(attached.adapters);
    test::disturb(attached.adapters);
    const at::Tensor expected = test::logits_of(model);
    merge_to_directory(model, attached.adapters, directory_ / ("merged-" + family));
    Model merged = load_model(directory_ / ("merged-" + family));
    EXPECT_TRUE(merged.warnings.empty());
    // fp32 logits of size 3; the sums run in another order.
    EXPECT_LT(test::max_difference(test::logits_of(merged), expected), 1e-5);
    const LoraExportReport report =
        export_lora(model, attached.adapters, attached.record, directory_ / ("lora-" + family));
    EXPECT_TRUE(report.branch_bias);
    Model base = load_model(model.path);
    const LoadedAdapter loaded = load_adapter(base, directory_ / ("lora-" + family));
    EXPECT_LT(test::max_difference(test::logits_of(base), expected), 1e-5);
    EXPECT_EQ(loaded.adapters.num_trainable(), attached.adapters.num_trainable());
  }
}

TEST_F(Export, ABiasThatTheFamilyCannotHaveIsRefused) {
  Model model = load({.family = "gemma"});
  const Attached attached = attach(model, LoraConfig{}, {.target_modules = {"up_proj"}}, {});
  add_biases(attached.adapters);
  try {
    merge_to_directory(model, attached.adapters, directory_ / "merged");
    FAIL() << "a bias was dropped or written where no program reads it";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.layers.0.mlp.up_proj: lora_bias"));
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ / "merged"));
}

// The bytes of the weights that a merge with these options writes.
std::string merged_bytes(const Model& model, const AdapterSet& adapters,
                         const std::filesystem::path& directory, MergeOptions options,
                         MergeReport* report = nullptr) {
  options.if_exists = IfExists::kReplace;
  const MergeReport made = merge_to_directory(model, adapters, directory, options);
  if (report != nullptr) *report = made;
  return read_file(directory / "model.safetensors", 1 << 26);
}

TEST_F(Export, AnUpdateBelowHalfAStepSurvivesTheMerge) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
    Model model = load({.dtype = at::kBFloat16, .hidden_size = 64});
    const Attached attached = attach(model, LoraConfig{.low_rank = {.rank = 4}}, kAllLinear, {});
    // Weights of size 0.15 lie on steps of 1/1024 and finer, the update is of size 2e-5.
    test::disturb(attached.adapters, 5e-5);
    const auto merge = [&](Rounding mode, std::uint64_t seed, MergeReport* report = nullptr) {
      return merged_bytes(model, attached.adapters, directory_ / "merged",
                          {.dtype = dtype, .rounding = {mode, seed}}, report);
    };
    MergeReport nearest, stochastic, automatic;
    merge(Rounding::kNearest, 0, &nearest);
    const std::string first = merge(Rounding::kStochastic, 0, &stochastic);
    EXPECT_EQ(merge(Rounding::kStochastic, 0), first);
    EXPECT_NE(merge(Rounding::kStochastic, 1), first);
    merge(Rounding::kAuto, 0, &automatic);
    EXPECT_LT(nearest.kept.share(), 0.9);
    // The noise of 160,000 weights is about fifteen times the update.
    EXPECT_NEAR(stochastic.kept.share(), 1, 0.2);
    EXPECT_NEAR(automatic.kept.share(), 1, 0.2);
    EXPECT_GT(nearest.kept.relative_error(), 0.5);
    EXPECT_THAT(rounding_summary(automatic), HasSubstr("of the update"));
    const Json stored =
        parse_json(read_file(directory_ / "merged" / kMergeReportFile, 1 << 20), "report");
    EXPECT_EQ(stored.at("changes").size(), automatic.changes.size());
    EXPECT_DOUBLE_EQ(stored.at("update_kept").get<double>(), automatic.kept.share());
  }
}

TEST_F(Export, AutomaticRoundingIsNearestWhereThatKeepsTheUpdate) {
  Model model = load({.dtype = at::kBFloat16});
  const Attached attached = attach(model, LoraConfig{.low_rank = {.rank = 4}}, kAllLinear, {});
  test::disturb(attached.adapters, 0.3);
  MergeReport report;
  const std::string bytes =
      merged_bytes(model, attached.adapters, directory_ / "merged", {}, &report);
  for (const StoredChange& each : report.changes) EXPECT_FALSE(each.stochastic) << each.name;
  EXPECT_EQ(merged_bytes(model, attached.adapters, directory_ / "merged",
                         {.rounding = {Rounding::kNearest}}),
            bytes);
  // fp32 keeps everything.
  merged_bytes(model, attached.adapters, directory_ / "merged", {.dtype = at::kFloat}, &report);
  EXPECT_NEAR(report.kept.share(), 1, 1e-6);
  EXPECT_EQ(rounding_summary(report), "");
}

TEST_F(Export, MergedModelCanBeSharded) {
  Model model = load({});
  const Attached attached = attach(model, LoraConfig{}, {}, {});
  test::disturb(attached.adapters);
  merge_to_directory(model, attached.adapters, directory_ / "merged", {.max_shard_bytes = 20000});
  EXPECT_TRUE(std::filesystem::exists(directory_ / "merged" / "model.safetensors.index.json"));
  Model merged = load_model(directory_ / "merged");
  EXPECT_TRUE(merged.warnings.empty());
  EXPECT_LT(test::max_difference(test::logits_of(merged), test::logits_of(model)), 1e-5);
}

TEST_F(Export, NonFiniteMergeIsRefusedAndLeavesNothing) {
  Model model = load({});
  const Attached attached = attach(model, LoraConfig{}, {}, {});
  attached.adapters.trainables()[1].tensor.detach().fill_(std::numeric_limits<float>::infinity());
  attached.adapters.refresh();
  try {
    merge_to_directory(model, attached.adapters, directory_ / "merged");
    FAIL() << "infinity was written";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.layers.0.self_attn.q_proj.weight is not finite"));
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ / "merged"));
}

TEST_F(Export, UnchangedTensorsBeyondTheTypeAreRefused) {
  test::write_tiny_model(directory_ / "m", {});
  std::vector<NamedTensor> tensors = test::tiny_tensors({});
  for (const NamedTensor& each : tensors) {
    if (each.name == "model.embed_tokens.weight") each.tensor.view(-1)[5].fill_(1e5);
  }
  write_tensors(directory_ / "m" / "model.safetensors", tensors);
  Model model = load_model(directory_ / "m");
  const Attached attached = attach(model, LoraConfig{}, {}, {});
  try {
    merge_to_directory(model, attached.adapters, directory_ / "merged", {.dtype = at::kHalf});
    FAIL() << "infinity was written";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("model.embed_tokens.weight would hold infinity"));
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ / "merged"));
}

// Norms in fp32 beside matrices in bf16, as many checkpoints have them.
TEST_F(Export, WhatIsStoredWiderKeepsItsType) {
  const std::string norm = "model.norm.weight", query = "model.layers.0.self_attn.q_proj.weight",
                    key = "model.layers.0.self_attn.k_proj.weight";
  const test::TinyModel narrow{.dtype = at::kBFloat16};
  test::write_tiny_model(directory_ / "m", narrow);
  std::vector<NamedTensor> tensors = test::tiny_tensors(narrow);
  at::Tensor exact;
  for (NamedTensor& each : tensors) {
    if (each.name != norm && each.name != query) continue;
    each.tensor = each.tensor.to(at::kFloat) + 1e-4;
    if (each.name == norm) exact = each.tensor;
  }
  write_tensors(directory_ / "m" / "model.safetensors", tensors);
  Model model = load_model(directory_ / "m");
  const Attached attached = attach(model, LoraConfig{}, {}, {});
  test::disturb(attached.adapters);
  const auto merged = [&](const MergeOptions& options) {
    merge_to_directory(model, attached.adapters, directory_ / "merged", options);
    return SafetensorsSource(directory_ / "merged");
  };
  {
    const SafetensorsSource written = merged({});
    EXPECT_TRUE(written.read(norm, at::kFloat)->equal(exact));
    EXPECT_EQ(written.dtype(query), at::kFloat);
    EXPECT_EQ(written.dtype(key), at::kBFloat16);
  }
  const SafetensorsSource asked = merged({.dtype = at::kBFloat16, .if_exists = IfExists::kReplace});
  for (const std::string& name : asked.names()) EXPECT_EQ(asked.dtype(name), at::kBFloat16) << name;
}

TEST_F(Export, AHeadOfItsOwnIsMergedThoughConfigCallsItTied) {
  test::write_tiny_model(directory_ / "m", {});
  test::call_head_tied(directory_ / "m");
  Model model = load_model(directory_ / "m");
  const Attached attached = attach(model, LoraConfig{}, kAllLinear, {});
  test::disturb(attached.adapters);
  merge_to_directory(model, attached.adapters, directory_ / "merged");
  Model merged = load_model(directory_ / "merged");
  EXPECT_FALSE(merged.net->head_is_tied());
  EXPECT_LT(test::max_difference(test::logits_of(merged), test::logits_of(model)), 1e-5);
}

TEST_F(Export, MergeCarriesTheTokenizerAlong) {
  Model model = load({});
  write_file_atomic(directory_ / "m" / "tokenizer.json", "{}");
  write_file_atomic(directory_ / "m" / "chat_template.jinja", "x");
  const Attached attached = attach(model, LoraConfig{}, {}, {});
  merge_to_directory(model, attached.adapters, directory_ / "merged");
  EXPECT_EQ(read_file(directory_ / "merged" / "tokenizer.json", 10), "{}");
  EXPECT_EQ(read_file(directory_ / "merged" / "chat_template.jinja", 10), "x");
  EXPECT_THROW(merge_to_directory(model, attached.adapters, directory_ / "merged"), FileError);
}

}  // namespace export_test
}  // namespace svtune
