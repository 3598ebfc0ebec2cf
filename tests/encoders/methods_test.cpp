// What every method must keep, on encoders: layers that see two inputs, a head that trains whole.
#include "adapters/methods.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter_files/adapter_file.h"
#include "adapter_files/loaded_model.h"
#include "attach/attach.h"
#include "attach/calibrate.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/tiny_encoder_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"
#include "nn/finite_differences_test_util.h"

namespace svtune {
namespace methods_test {

using test::max_difference;

struct Case {
  std::string family, method_name;
  MethodConfig method;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.family << one.method_name; }

std::vector<Case> cases() {
  LoraConfig lora;
  lora.low_rank.rank = 3;
  PissaConfig pissa;
  pissa.low_rank.rank = 3;
  const std::vector<std::pair<std::string, MethodConfig>> methods = {
      {"lora", lora},
      {"pissa", pissa},
      {"svft", SvftConfig{.pattern = SvftPattern::kPlain}},
      {"svft_banded", SvftConfig{.bandwidth = 2}},
      {"dora", DoraConfig{lora.low_rank}},
      {"oft", OftConfig{.block_size = 8}},
      {"vera", VeraConfig{.rank = 24}}};
  std::vector<Case> list;
  for (const char* family : {"bert", "deberta-v2"}) {
    for (const auto& [name, method] : methods) list.push_back({family, name, method});
  }
  return list;
}

class EncoderContract : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    test::write_tiny_encoder(directory_ / "model", {.family = GetParam().family, .bare = true});
  }
  Model load(at::ScalarType dtype) const {
    LoadOptions options{dtype};
    options.head = NewHead{HeadTask::kDocument, 3, {"no", "yes", "perhaps"}, 4};
    return load_model(directory_ / "model", options);
  }
  Attached attach_to(Model& model) const {
    Attached attached =
        attach(model, GetParam().method, {.target_modules = {"all-linear"}}, {.seed = 5});
    attached.adapters.refresh();
    return attached;
  }
  at::Tensor loss_of(Model& model) const {
    return model.net->loss(test::without_types(test::two_documents()));
  }

  test::TempDirectory directory_;
};

TEST_P(EncoderContract, StartsAtTheBaseModel) {
  Model base = load(at::kDouble), model = load(at::kDouble);
  attach_to(model);
  // fp64 arithmetic over two layers.
  EXPECT_LT(max_difference(test::document_logits_of(model), test::document_logits_of(base)), 1e-9);
}

TEST_P(EncoderContract, GradientsMatchFiniteDifferences) {
  if (method_traits(GetParam().method).constant_in_backward) {
    GTEST_SKIP() << "part of the forward is a constant in backward: tested beside the method";
  }
  Model model = load(at::kDouble);
  const Attached attached = attach_to(model);
  test::disturb(attached.adapters, 0.02);
  const auto loss = [&] { return loss_of(model); };
  EXPECT_GT(test::expect_gradients_of(loss, attached.adapters), 0);
}

TEST_P(EncoderContract, RecomputedBlocksGiveTheSameGradients) {
  Model kept = load(at::kFloat), again = load(at::kFloat);
  again.net->set_recompute(RecomputePlan::all());
  const Attached a = attach_to(kept), b = attach_to(again);
  for (const AdapterSet* set : {&a.adapters, &b.adapters}) {
    test::disturb(*set);
    set->begin_micro_batch(true, 11);
  }
  loss_of(kept).backward();
  loss_of(again).backward();
  const auto left = a.adapters.trainables(), right = b.adapters.trainables();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    // The same operations on the same values.
    EXPECT_TRUE(at::equal(left[i].tensor.grad(), right[i].tensor.grad())) << left[i].name;
  }
}

// The checkpoint has no head: it comes back from the adapter's files alone, with its labels.
TEST_P(EncoderContract, SavedAdapterBringsTheHead) {
  Model model = load(at::kFloat);
  const Attached attached = attach_to(model);
  test::disturb(attached.adapters);
  const at::Tensor expected = test::document_logits_of(model);
  save_adapter(model, attached.adapters, attached.record, directory_ / "adapter");
  LoadedModel again = load_with_adapter(directory_ / "model", directory_ / "adapter", {});
  EXPECT_EQ(max_difference(test::document_logits_of(again.model), expected), 0);
  EXPECT_EQ(again.model.config.at("id2label").at("2"), "perhaps");
  EXPECT_EQ(again.model.spec().num_labels, 3);
}

TEST_P(EncoderContract, MergedModelHasTheSameLogits) {
  Model model = load(at::kFloat);
  const Attached attached = attach_to(model);
  test::disturb(attached.adapters);
  const at::Tensor expected = test::document_logits_of(model);
  merge_to_directory(model, attached.adapters, directory_ / "merged");
  Model merged = load_model(directory_ / "merged");
  // The products of fp32 matrices of 32 columns are summed in another order.
  EXPECT_LT(max_difference(test::document_logits_of(merged), expected), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Methods, EncoderContract, testing::ValuesIn(cases()),
                         [](const auto& info) {
                           return (info.param.family == "bert" ? "bert_" : "deberta_") +
                                  info.param.method_name;
                         });

// One mask over the rows of the texts and of the distances: both differ, and runs repeat them.
TEST(EncoderDropout, MasksTheTableOfDistancesApart) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.family = "deberta-v2"});
  Model model = load_model(directory / "model", {at::kFloat});
  LoraConfig lora;
  lora.low_rank.rank = 3;
  lora.low_rank.dropout = 0.5;
  const Attached attached = attach(model, lora, {.target_modules = {"query_proj"}}, {.seed = 5});
  test::disturb(attached.adapters);
  const auto logits_with = [&](bool training, std::uint64_t seed) {
    attached.adapters.begin_micro_batch(training, seed);
    return test::document_logits_of(model);
  };
  const at::Tensor without = logits_with(false, 0), first = logits_with(true, 1);
  EXPECT_GT(max_difference(first, without), 1e-4);
  EXPECT_GT(max_difference(first, logits_with(true, 2)), 1e-4);
  EXPECT_EQ(max_difference(first, logits_with(true, 1)), 0);
}

TEST(EncoderHead, TrainsWholeBesideTheMethod) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.family = "deberta-v2", .bare = true});
  LoadOptions options;
  options.head = NewHead{};
  Model model = load_model(directory / "model", options);
  EXPECT_THAT(model.made, testing::ElementsAre("classifier.bias", "classifier.weight",
                                               "pooler.dense.bias", "pooler.dense.weight"));
  const Attached attached = attach(model, LoraConfig{}, {.target_modules = {"query_proj"}});
  EXPECT_THAT(attached.record.targets.modules_to_save,
              testing::ElementsAre("classifier", "pooler.dense"));
  EXPECT_THAT(attached.report.extras,
              testing::UnorderedElementsAre("classifier.bias", "classifier.weight",
                                            "pooler.dense.bias", "pooler.dense.weight"));
}

TEST(EncoderHead, IsMadeFromItsSeed) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.bare = true});
  const auto head_with = [&](std::uint64_t seed) {
    LoadOptions options;
    options.head = NewHead{.labels = 5, .seed = seed};
    const Model model = load_model(directory / "model", options);
    return model.net->head().base().dense().clone();
  };
  const at::Tensor first = head_with(1);
  EXPECT_EQ(first.size(0), 5);
  EXPECT_TRUE(at::equal(first, head_with(1)));
  EXPECT_GT(max_difference(first, head_with(2)), 1e-3);
  // initializer_range; 160 values tell it to a twelfth of itself.
  EXPECT_NEAR(first.std().item<double>(), 0.02, 0.006);
}

// Every third token of two documents is to be found.
Batch masked_documents() {
  Batch batch = test::without_types(test::two_documents());
  batch.document_targets = at::Tensor();
  const auto longs = at::TensorOptions().dtype(at::kLong);
  batch.supervised = at::arange(0, batch.num_tokens(), 3, longs);
  batch.targets = batch.tokens.index_select(0, batch.supervised);
  batch.masked = true;
  return batch;
}

at::Tensor hidden_word_logits(Model& model) {
  const at::NoGradGuard no_grad;
  const Batch batch = masked_documents();
  return model.net->logits(model.net->forward(batch).index_select(0, batch.supervised));
}

TEST(MaskedHead, TrainsBesideTheMethodWhereItWasMade) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.bare = true});
  LoadOptions options{at::kFloat};
  options.head = NewHead{.task = HeadTask::kMasked, .seed = 3};
  Model model = load_model(directory / "model", options);
  const std::string transform = "cls.predictions.transform.";
  EXPECT_THAT(model.made,
              testing::ElementsAre(transform + "LayerNorm.bias", transform + "LayerNorm.weight",
                                   transform + "dense.bias", transform + "dense.weight"));
  EXPECT_TRUE(model.net->head_is_tied());
  const Attached attached = attach(model, LoraConfig{}, {.target_modules = {"query"}});
  EXPECT_THAT(attached.record.targets.modules_to_save,
              testing::ElementsAre(transform + "LayerNorm", transform + "dense"));
}

// The checkpoint has no head: it comes back from the adapter's files, and is merged.
TEST(MaskedHead, ComesBackFromAdaptersAndMergedModels) {
  for (const char* family : {"bert", "roberta", "distilbert", "deberta-v2", "modernbert"}) {
    SCOPED_TRACE(family);
    test::TempDirectory directory;
    test::write_tiny_encoder(directory / "model", {.family = family, .bare = true});
    LoadOptions options{at::kFloat};
    options.head = NewHead{.task = HeadTask::kMasked, .seed = 3};
    Model model = load_model(directory / "model", options);
    const Attached attached = attach(model, LoraConfig{}, {.target_modules = {"all-linear"}});
    test::disturb(attached.adapters);
    const at::Tensor expected = hidden_word_logits(model);
    save_adapter(model, attached.adapters, attached.record, directory / "adapter");
    LoadedModel again = load_with_adapter(directory / "model", directory / "adapter", {});
    EXPECT_EQ(max_difference(hidden_word_logits(again.model), expected), 0);
    merge_to_directory(model, attached.adapters, directory / "merged");
    Model merged = load_model(directory / "merged");
    EXPECT_THAT(merged.warnings, testing::IsEmpty());
    EXPECT_TRUE(merged.net->head_is_tied());
    // Products of fp32 matrices are summed in another order.
    EXPECT_LT(max_difference(hidden_word_logits(merged), expected), 1e-4);
  }
}

// PEFT writes no task unless it is told one, and a bare encoder says nothing of its head.
TEST(EncoderHead, OfAnAdapterWithoutATaskIsAskedFor) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.family = "bert", .bare = true});
  LoadOptions options{at::kFloat};
  options.head = NewHead{.labels = 3, .seed = 4};
  Model model = load_model(directory / "model", options);
  const Attached attached = attach(model, LoraConfig{}, {.target_modules = {"query"}});
  save_adapter(model, attached.adapters, attached.record, directory / "adapter");
  std::filesystem::remove(directory / "adapter" / "svtune.json");
  EXPECT_NO_THROW(load_with_adapter(directory / "model", directory / "adapter", {}));
  const std::filesystem::path file = directory / "adapter" / "adapter_config.json";
  Json config = read_json_file(file);
  config["task_type"] = nullptr;
  write_file_atomic(file, dump_json(config));
  try {
    load_with_adapter(directory / "model", directory / "adapter", {});
    FAIL() << "no error";
  } catch (const FileError& error) {
    EXPECT_THAT(error.hint(), testing::HasSubstr("is null: SEQ_CLS there says"));
  }
}

// Of ModernBERT: the mean of a document's rows goes through a layer and a norm that were made.
TEST(EncoderHead, ThatAveragesComesBackFromAdapters) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.family = "modernbert", .bare = true});
  const std::filesystem::path file = directory / "model" / "config.json";
  Json config = read_json_file(file);
  config["classifier_pooling"] = "mean";
  write_file_atomic(file, dump_json(config));
  LoadOptions options{at::kFloat};
  options.head = NewHead{.labels = 3, .seed = 4};
  Model model = load_model(directory / "model", options);
  EXPECT_THAT(model.made, testing::ElementsAre("classifier.bias", "classifier.weight",
                                               "head.dense.weight", "head.norm.weight"));
  const Attached attached = attach(model, LoraConfig{}, {});
  EXPECT_THAT(attached.record.targets.modules_to_save,
              testing::ElementsAre("classifier", "head.dense", "head.norm"));
  test::disturb(attached.adapters);
  const at::Tensor expected = test::document_logits_of(model);
  // The second document alone: no row of the first is in its mean.
  Batch alone = test::without_types(test::two_documents());
  alone.tokens = alone.tokens.narrow(0, 12, 5);
  alone.positions = alone.positions.narrow(0, 12, 5);
  alone.offsets = {0, 5};
  const at::NoGradGuard no_grad;
  // Products of other numbers of rows are summed in another order.
  EXPECT_LT(max_difference(model.net->document_logits(alone), expected.narrow(0, 1, 1)), 1e-4);
  save_adapter(model, attached.adapters, attached.record, directory / "adapter");
  LoadedModel again = load_with_adapter(directory / "model", directory / "adapter", {});
  EXPECT_EQ(max_difference(test::document_logits_of(again.model), expected), 0);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(EncoderHead, RefusesWhatItCannotLearn) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {});
  test::write_tiny_encoder(directory / "bare", {.bare = true});
  Model model = load_model(directory / "model", {at::kFloat});
  Network& net = *model.net;
  Batch batch = test::two_documents();
  batch.document_targets = batch.document_targets + 1;
  EXPECT_THAT(error_of([&] { net.loss(batch); }), testing::HasSubstr("class 3 is learnt"));
  batch.document_targets = batch.document_targets.to(at::kFloat);
  EXPECT_THAT(error_of([&] { net.loss(batch); }), testing::HasSubstr("not from fractions"));
  batch.document_targets = at::Tensor();
  EXPECT_THAT(error_of([&] { net.loss(batch); }), testing::HasSubstr("does not learn tokens"));
  EXPECT_THAT(error_of([&] { net.log_probs(batch); }), testing::HasSubstr("predicts no tokens"));
  batch.token_types = batch.token_types * 2;
  EXPECT_THAT(error_of([&] { net.document_logits(batch); }), testing::HasSubstr("type 2"));
  batch = test::two_documents();
  batch.offsets = {0, 12, 12, 17};
  EXPECT_THAT(error_of([&] { net.document_logits(batch); }), testing::HasSubstr("no tokens"));
  EXPECT_THAT(error_of([&] { load_model(directory / "bare"); }),
              testing::HasSubstr("BertModel has no head of labels"));
}

TEST(EncoderHead, OfOtherLabelsTakesThePlaceOfAStoredOne) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {});
  LoadOptions options{at::kFloat};
  options.head = NewHead{.labels = 4};
  Model model = load_model(directory / "model", options);
  EXPECT_THAT(model.made, testing::UnorderedElementsAre("classifier.bias", "classifier.weight"));
  EXPECT_THAT(model.warnings, testing::ElementsAre(testing::HasSubstr("the head of 3 labels")));
  EXPECT_EQ(test::document_logits_of(model).size(1), 4);
  options.head->labels = 3;
  const Model same = load_model(directory / "model", options);
  EXPECT_THAT(same.made, testing::IsEmpty());
  EXPECT_THAT(same.warnings, testing::IsEmpty());
}

TEST(EncoderFiles, HoldNormsUnderOldNamesToo) {
  test::TempDirectory directory;
  for (const bool bare : {false, true}) {
    const test::TinyEncoder now{.bare = bare}, before{.bare = bare, .old_names = true};
    test::write_tiny_encoder(directory / "now", now);
    test::write_tiny_encoder(directory / "before", before);
    LoadOptions options{at::kFloat};
    options.head = NewHead{.labels = 3};
    Model first = load_model(directory / "now", options);
    Model second = load_model(directory / "before", options);
    EXPECT_THAT(second.warnings, testing::IsEmpty());
    EXPECT_EQ(max_difference(test::document_logits_of(first), test::document_logits_of(second)), 0);
  }
}

TEST(EncoderConfig, RefusesWhatChangesTheComputation) {
  struct Refused {
    const char* family;
    const char* key;
    Json value;
  };
  const std::vector<Refused> list = {{"bert", "is_decoder", true},
                                     {"bert", "position_embedding_type", "relative_key"},
                                     {"bert", "hidden_act", "relu"},
                                     {"bert", "problem_type", "multi_label_classification"},
                                     {"bert", "problem_type", "regression"},
                                     {"deberta-v2", "share_att_key", false},
                                     {"deberta-v2", "relative_attention", false},
                                     {"deberta-v2", "position_biased_input", true},
                                     {"deberta-v2", "pos_att_type", "c2p"},
                                     {"deberta-v2", "conv_kernel_size", 4},
                                     {"deberta-v2", "embedding_size", 16},
                                     {"deberta-v2", "pooler_hidden_act", "tanh"},
                                     {"deberta-v2", "position_buckets", 2},
                                     {"modernbert", "is_decoder", true},
                                     {"modernbert", "classifier_pooling", "max"},
                                     {"modernbert", "hidden_activation", "relu"},
                                     {"modernbert", "head_dim", 16},
                                     {"modernbert", "layer_types", {"full_attention"}},
                                     {"modernbert", "rope_theta", 1e4},
                                     {"modernbert", "rope_parameters", {{"rope_theta", 1e4}}}};
  for (const Refused& each : list) {
    Json config = test::tiny_encoder_config({.family = each.family});
    EXPECT_EQ(error_of([&] { parse_arch(config, "config.json"); }), "") << each.family;
    config[each.key] = each.value;
    EXPECT_THAT(error_of([&] { parse_arch(config, "config.json"); }), testing::HasSubstr(each.key));
  }
}

TEST(EncoderPositions, EndWithTheTable) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.family = "roberta"});
  Model model = load_model(directory / "model", {at::kFloat});
  EXPECT_EQ(model.spec().max_positions, 62);
  const auto length = [&](std::int64_t count) {
    const auto longs = at::TensorOptions().dtype(at::kLong);
    Batch batch{at::full({count}, 5, longs),
                at::arange(count, longs),
                {0, static_cast<std::int32_t>(count)}};
    return error_of([&] { model.net->document_logits(batch); });
  };
  EXPECT_EQ(length(62), "");
  EXPECT_THAT(length(63), testing::HasSubstr("63 tokens, the model has 62 positions"));
}

TEST(EncoderWords, EndWithTheTable) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.family = "bert"});
  Model model = load_model(directory / "model", {at::kFloat});
  const std::int64_t words = model.spec().vocab_size;
  const auto text_with = [&](std::int64_t id) {
    const auto longs = at::TensorOptions().dtype(at::kLong);
    const Batch batch{at::full({9}, id, longs), at::arange(9, longs), {0, 9}};
    return error_of([&] { model.net->document_logits(batch); });
  };
  EXPECT_EQ(text_with(words - 1), "");
  EXPECT_THAT(text_with(words), testing::HasSubstr("a token has the id " + std::to_string(words)));
}

TEST(MaskedHead, IsReachedByStartsFoundOnData) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.masked = true});
  Model model = load_model(directory / "model", {at::kFloat});
  LoraConfig eva;
  eva.low_rank.rank = 2;
  eva.init = LoraInit::kEva;
  eva.rank_spread = 0;
  const std::vector<Batch> batches{masked_documents()};
  const Calibration found = calibrate(model, eva, {.target_modules = {"all-linear"}}, batches);
  EXPECT_TRUE(found.starts.contains("cls.predictions.transform.dense"));
  EXPECT_FALSE(found.starts.contains(model.net->head().name()));
}

// Labels of documents are learnt from all of their tokens. Oracle: labels of all tokens, on the
// same encoder.
TEST(EncoderStarts, EvaOfDocumentsSumsAllTokens) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.bare = true});
  LoraConfig eva;
  eva.low_rank.rank = 2;
  eva.init = LoraInit::kEva;
  eva.rank_spread = 0;
  const auto starts_of = [&](HeadTask task, const Batch& batch) {
    LoadOptions options{at::kFloat};
    options.head = NewHead{.task = task, .labels = 3};
    Model model = load_model(directory / "model", options);
    const std::vector<Batch> batches{batch};
    return calibrate(model, eva, {.target_modules = {"query", "value"}}, batches).starts;
  };
  const Batch documents = test::two_documents();
  Batch tokens = documents;
  tokens.document_targets = at::Tensor();
  const auto longs = at::TensorOptions().dtype(at::kLong);
  tokens.supervised = at::arange(tokens.num_tokens(), longs);
  tokens.targets = at::zeros({tokens.num_tokens()}, longs);
  const auto found = starts_of(HeadTask::kDocument, documents);
  const auto expected = starts_of(HeadTask::kToken, tokens);
  ASSERT_EQ(found.size(), 4U);
  for (const auto& [layer, start] : found) {
    // Rows that are chosen and rows that are not may be summed in another order.
    EXPECT_LT(max_difference(start.down, expected.at(layer).down), 1e-4) << layer;
  }
}

// A layer of the head that was made anew sees one row for each document, too few for a start.
TEST(EncoderStarts, LayersThatTrainWholeNeedNone) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.family = "roberta", .bare = true});
  LoadOptions options{at::kFloat};
  options.head = NewHead{.labels = 3};
  Model model = load_model(directory / "model", options);
  LoraConfig eva;
  eva.low_rank.rank = 2;
  eva.init = LoraInit::kEva;
  const std::vector<Batch> batches{test::without_types(test::two_documents())};
  const Calibration found = calibrate(model, eva, {.target_modules = {"all-linear"}}, batches);
  EXPECT_FALSE(found.starts.empty());
  EXPECT_THAT(model.made, testing::Contains("classifier.dense.weight"));
  for (const std::string& tensor : model.made) {
    EXPECT_FALSE(found.starts.contains(tensor.substr(0, tensor.rfind('.')))) << tensor;
  }
}

TEST(MaskedHead, LearnsHiddenWordsOnly) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.bare = true});
  LoadOptions options{at::kFloat};
  options.head = NewHead{.task = HeadTask::kMasked};
  Model model = load_model(directory / "model", options);
  Batch batch = masked_documents();
  EXPECT_EQ(error_of([&] { model.net->loss(batch); }), "");
  batch.masked = false;
  EXPECT_THAT(error_of([&] { model.net->log_probs(batch); }),
              testing::HasSubstr("a masked language model: it predicts no next words"));
  options.head = NewHead{.task = HeadTask::kToken, .labels = 48};
  Model tokens = load_model(directory / "model", options);
  batch.masked = true;
  EXPECT_THAT(error_of([&] { tokens.net->loss(batch); }),
              testing::HasSubstr("it finds no hidden words"));
}

// transformers hands DeBERTa's own head the embedding's matrix.
TEST(MaskedHead, WithoutAMatrixStaysTied) {
  test::TempDirectory directory;
  test::write_tiny_encoder(directory / "model", {.family = "deberta-v2", .bare = true});
  const std::filesystem::path file = directory / "model" / "config.json";
  Json config = read_json_file(file);
  config["legacy"] = false;
  write_file_atomic(file, dump_json(config));
  LoadOptions options{at::kFloat};
  options.head = NewHead{.task = HeadTask::kMasked};
  const auto refusal = [&](const MethodConfig& method, const TargetOptions& targets) {
    Model model = load_model(directory / "model", options);
    return error_of([&] { attach(model, method, targets); });
  };
  FullConfig head;
  head.part = FullPart::kHead;
  const auto named = testing::HasSubstr("lm_predictions.lm_head has no matrix of its own");
  EXPECT_THAT(refusal(head, {}), named);
  EXPECT_THAT(refusal(LoraConfig{}, {.target_modules = {"lm_head"}}), named);
  EXPECT_THAT(refusal(LoraConfig{}, {.modules_to_save = {"word_embeddings"}}), named);
  EXPECT_EQ(refusal(LoraConfig{}, {.target_modules = {"all-linear"}}), "");
  EXPECT_EQ(
      refusal(LoraConfig{}, {.modules_to_save = {"word_embeddings"}, .ensure_weight_tying = true}),
      "");
}

// Without weights: tensors of one stored element.
class NoWeights final : public WeightSource {
 public:
  std::optional<at::Tensor> read(const std::string&, at::ScalarType) const override { return {}; }
  std::filesystem::path place_of(const std::string&) const override { return {}; }
  std::vector<std::string> names() const override { return {}; }
  at::ScalarType stored_dtype() const override { return at::kFloat; }
  std::uint64_t hash(const std::string&) const override { return 0; }
};

std::int64_t adapted_parameters(const Json& config, const MethodConfig& method) {
  Model model;
  model.config = config;
  model.weights = std::make_shared<NoWeights>();
  model.net = std::make_unique<Network>(
      parse_arch(config, "test"), [](const std::string&, const std::vector<std::int64_t>& shape) {
        return at::zeros({1}, at::kFloat).expand(shape);
      });
  model.made = {"pooler.dense.weight"};
  const AttachOptions shapes{.initialise = false, .check = false, .shapes_only = true};
  const Attached attached = attach(model, method, {.target_modules = {"all-linear"}}, shapes);
  std::int64_t count = 0;
  for (const AdaptedLayer& layer : attached.report.layers) count += layer.trainable;
  return count;
}

// What PiSSA's and SVFT's papers count for DeBERTaV3-base: every linear layer of every block, and
// nothing of the head. 1.33M, .06M and .28M there.
TEST(EncoderCounts, AreThoseOfThePapers) {
  Json config = test::tiny_encoder_config({.family = "deberta-v2"});
  config.update({{"hidden_size", 768},
                 {"intermediate_size", 3072},
                 {"num_attention_heads", 12},
                 {"num_hidden_layers", 12},
                 {"vocab_size", 128100},
                 {"max_position_embeddings", 512},
                 {"position_buckets", 256}});
  LoraConfig lora;
  lora.low_rank.rank = 8;
  EXPECT_EQ(adapted_parameters(config, lora), 1'327'104);
  EXPECT_EQ(adapted_parameters(config, SvftConfig{.pattern = SvftPattern::kPlain}), 55'296);
  EXPECT_EQ(adapted_parameters(config, SvftConfig{.pattern = SvftPattern::kRandom, .bandwidth = 2}),
            276'048);
}

}  // namespace methods_test
}  // namespace svtune
