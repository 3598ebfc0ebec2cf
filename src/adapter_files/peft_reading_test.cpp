// PEFT's files as others write them: names, shapes and settings that svtune itself never writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter_files/adapter_file.h"
#include "adapter_files/loaded_model.h"
#include "adapter_files/peft_directory.h"
#include "adapter_files/saved_adapter_test_util.h"
#include "adapter_files/side_file.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/safetensors_source.h"
#include "io/tiny_model_test_util.h"
#include "io/tiny_vision_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace peft_reading_test {

using test::TempDirectory;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Tensors = std::vector<NamedTensor>;

class PeftReading : public test::SavedAdapterTest {
 protected:
  std::filesystem::path weights_of(const std::string& name) const {
    return directory_ / name / kPeftWeightsFile;
  }

  // Saves PEFT's two files alone; returns the logits.
  at::Tensor make(const std::string& name, const MethodConfig& method,
                  const TargetOptions& targets = {}) {
    at::Tensor logits = SavedAdapterTest::make(name, method, targets);
    std::filesystem::remove(directory_ / name / kSideFile);
    return logits;
  }

  Tensors tensors_of(const std::string& name) const {
    const SafetensorsSource file(weights_of(name));
    Tensors tensors;
    for (const std::string& each : file.names()) {
      tensors.push_back({each, file.read(each, at::kFloat)->clone()});
    }
    return tensors;
  }

  void add_tensor(const std::string& name, const NamedTensor& tensor) {
    Tensors tensors = tensors_of(name);
    tensors.push_back(tensor);
    write_tensors(weights_of(name), tensors);
  }

  void set_key(const std::string& name, const std::string& key, const Json& value) {
    const std::filesystem::path path = directory_ / name / kPeftConfigFile;
    Json json = read_json_file(path);
    json[key] = value;
    write_file_atomic(path, dump_json(json));
  }

  // A value as its text stands in the file.
  void set_text(const std::string& name, const std::string& key, const std::string& text) {
    const std::filesystem::path path = directory_ / name / kPeftConfigFile;
    Json json = read_json_file(path);
    json.erase(key);
    write_file_atomic(path, "{\"" + key + "\": " + text + ", " + dump_json(json).substr(1));
  }

  std::string error_of(const std::string& name) {
    try {
      load_with_adapter(base(), directory_ / name, {});
    } catch (const FileError& error) {
      return error.what();
    }
    return "loaded";
  }

  at::Tensor logits_with(const std::string& name) {
    LoadedModel loaded = load_with_adapter(base(), directory_ / name, {});
    return test::logits_of(loaded.model);
  }
};

// PEFT would refuse the name; as the start that it resembles, or as a plain LoRA, the base would be
// another one.
TEST_F(PeftReading, NamesOfStartsHaveTheirOwnCase) {
  make("lora", LoraConfig{});
  for (const char* start : {"PiSSA", "EVA", "Orthogonal", "LORA_GA"}) {
    set_key("lora", "init_lora_weights", start);
    EXPECT_THAT(error_of("lora"),
                HasSubstr(std::string(start) + "\" is no initialisation of PEFT's"));
  }
  for (const char* start : {"Gaussian", "OLoRA", "MiCA"}) {
    set_key("lora", "init_lora_weights", start);
    EXPECT_EQ(error_of("lora"), "loaded") << start;
  }
}

TEST_F(PeftReading, PatternsThatAreNoneAreToldWithTheirFile) {
  make("lora", LoraConfig{});
  for (const char* key : {"rank_pattern", "alpha_pattern"}) {
    set_key("lora", key, Json{{"q_proj(", 2}});
    EXPECT_THAT(error_of("lora"), AllOf(HasSubstr((directory_ / "lora" / kPeftConfigFile).string()),
                                        HasSubstr("no valid regular expression")));
    set_key("lora", key, Json::object());
  }
  set_key("lora", "target_modules", "q_proj[");
  EXPECT_THAT(error_of("lora"), HasSubstr(kPeftConfigFile));
}

// Python's JSON has words for them.
TEST_F(PeftReading, ScalingsThatAreNotFiniteAreRefused) {
  make("lora", LoraConfig{});
  make("adalora", AdaloraConfig{});
  for (const std::string number : {"NaN", "Infinity", "-1"}) {
    for (const char* name : {"lora", "adalora"}) {
      set_text(name, "lora_alpha", number);
      EXPECT_THAT(error_of(name), HasSubstr("lora_alpha must be positive")) << number;
    }
    set_text("lora", "lora_alpha", "16");
    set_text("lora", "alpha_pattern", "{\"q_proj\": " + number + "}");
    EXPECT_THAT(error_of("lora"), HasSubstr("alpha_pattern.q_proj must be positive")) << number;
    set_text("lora", "alpha_pattern", "{}");
  }
}

// Keys of another type are not this one's mistakes.
TEST_F(PeftReading, TypesThatAreNotReadAreRefusedByNameAlone) {
  make("lora", LoraConfig{});
  for (const char* type : {"FOURIERFT", "LOHA", "HRA", "FROD", "lora", ""}) {
    set_key("lora", "peft_type", type);
    const std::string error = error_of("lora");
    EXPECT_THAT(error, AllOf(HasSubstr("peft_type is \"" + std::string(type) + "\""),
                             HasSubstr("need LORA or ADALORA"), HasSubstr("PSOFT or TINYLORA")));
    EXPECT_THAT(error, Not(HasSubstr("the key")));
  }
}

TEST_F(PeftReading, AnOlderSeriesOfOftIsTold) {
  make("oft", OftConfig{});
  const auto warnings = [&](const Json& version) {
    set_key("oft", "peft_version", version);
    return load_with_adapter(base(), directory_ / "oft", {}).warnings;
  };
  for (const Json& old : {Json("0.17.1"), Json("0.9.0"), Json(nullptr)}) {
    EXPECT_THAT(warnings(old), Contains(HasSubstr("slightly other series"))) << old;
  }
  for (const char* later : {"0.18.0", "0.21.2", "0.22.0.dev0@abc", "1.2.0"}) {
    EXPECT_THAT(warnings(later), IsEmpty()) << later;
  }
  set_key("oft", "use_cayley_neumann", false);
  EXPECT_THAT(warnings("0.17.1"), IsEmpty());
}

// As PEFT writes it where it has no CUDA extension.
TEST_F(PeftReading, OneFactorOfBoftIsReadWhereTheKeySaysMore) {
  const at::Tensor expected = make("one", BoftConfig{});
  set_key("one", "boft_n_butterfly_factor", 2);
  LoadedModel loaded = load_with_adapter(base(), directory_ / "one", {});
  EXPECT_THAT(loaded.warnings, Contains(HasSubstr("the weights have one factor")));
  EXPECT_TRUE(test::logits_of(loaded.model).equal(expected));
  make("two", BoftConfig{.butterfly_factors = 2});
  EXPECT_THAT(load_with_adapter(base(), directory_ / "two", {}).warnings, IsEmpty());
}

// Trained on and saved again the adapter would compute with svtune.json's scaling.
TEST_F(PeftReading, ASideFileThatIsContradictedIsNotFollowed) {
  Model model = load_model(base());
  Attached attached = attach(model, LoraConfig{}, {}, {.seed = 5});
  test::disturb(attached.adapters);
  save_adapter(model, attached.adapters, attached.record, directory_ / "lora");
  EXPECT_THAT(load_with_adapter(base(), directory_ / "lora", {}).warnings, IsEmpty());
  set_key("lora", "lora_alpha", 48);
  LoadedModel loaded = load_with_adapter(base(), directory_ / "lora", {});
  EXPECT_THAT(loaded.warnings, Contains(HasSubstr("disagree on lora_alpha")));
  const at::Tensor expected = test::logits_of(loaded.model);
  EXPECT_GT(test::max_difference(expected, test::logits_of(model)), 1e-3);
  save_adapter(loaded.model, loaded.adapter->adapters, loaded.adapter->record,
               directory_ / "again");
  EXPECT_TRUE(logits_with("again").equal(expected));
}

TEST_F(PeftReading, ASideFileThatCannotBeIsToldOnceByItsName) {
  Model model = load_model(base());
  const Attached attached = attach(model, LoraConfig{}, {}, {.seed = 5});
  save_adapter(model, attached.adapters, attached.record, directory_ / "lora");
  const std::filesystem::path path = directory_ / "lora" / kSideFile;
  const Json whole = read_json_file(path);
  const auto with_words = [&](const Json& words) {
    Json json = whole;
    json["vocab_size"] = words;
    write_file_atomic(path, dump_json(json));
    return load_with_adapter(base(), directory_ / "lora", {}).warnings;
  };
  // Nobody makes a model of so many for files that hold none of them.
  EXPECT_THAT(with_words(2000000000), Contains(HasSubstr("2000000000 words, this one has 48")));
  EXPECT_THAT(with_words(-5), IsEmpty());
  Json other = whole;
  other["options"]["method"] = "lorra";
  write_file_atomic(path, dump_json(other));
  const std::string error = error_of("lora");
  EXPECT_THAT(error, HasSubstr("got \"lorra\""));
  EXPECT_EQ(error.find(path.string()), error.rfind(path.string())) << error;
}

// As when PEFT trains on and saves into the same directory.
TEST_F(PeftReading, AChangedCopyBesideTheStateIsNoticed) {
  PissaConfig pissa;
  pissa.low_rank.rank = 4;
  Model model = load_model(base());
  Attached attached = attach(model, pissa, {}, {.seed = 5});
  test::disturb(attached.adapters);
  save_adapter(model, attached.adapters, attached.record, directory_ / "pissa");
  EXPECT_EQ(error_of("pissa"), "loaded");
  Tensors tensors = tensors_of("pissa");
  tensors[0].tensor = tensors[0].tensor + 1;
  write_tensors(weights_of("pissa"), tensors);
  EXPECT_THAT(error_of("pissa"), AllOf(HasSubstr(weights_of("pissa").string()),
                                       HasSubstr("is not what was written with")));
  std::filesystem::remove(directory_ / "pissa" / kSideFile);
  std::filesystem::remove(directory_ / "pissa" / kStateFile);
  EXPECT_EQ(error_of("pissa"), "loaded");
}

// As a running PEFT model calls its tensors.
std::string with_adapter_name(const std::string& key) {
  constexpr std::string_view kWeight = ".weight";
  if (key.ends_with(kWeight)) {
    return key.substr(0, key.size() - kWeight.size()) + ".default.weight";
  }
  return key + (key.ends_with("lora_magnitude_vector") ? ".default.weight" : ".default");
}

TEST_F(PeftReading, TensorsOfEveryTypeMayBeCalledAsInMemory) {
  const std::vector<MethodConfig> methods = {LoraConfig{}, DoraConfig{}, AdaloraConfig{},
                                             VeraConfig{}, OftConfig{},  BoftConfig{}};
  for (const MethodConfig& method : methods) {
    const std::string name = method_name(method);
    const at::Tensor expected = make(name, method);
    Tensors tensors = tensors_of(name);
    for (NamedTensor& each : tensors) each.name = with_adapter_name(each.name);
    write_tensors(weights_of(name), tensors);
    ASSERT_EQ(error_of(name), "loaded") << name;
    EXPECT_LT(test::max_difference(logits_with(name), expected), 1e-6) << name;
  }
}

TEST_F(PeftReading, WordsThatAreNoMatrixAreReportedWithTheirFile) {
  const std::string key = std::string(kPeftKeyPrefix) + "model.embed_tokens.weight";
  const std::vector<std::vector<std::int64_t>> shapes = {{}, {0, 32}, {test::kTinyVocab}};
  for (const auto& shape : shapes) {
    const std::string name = "words" + std::to_string(shape.size());
    make(name, LoraConfig{});
    add_tensor(name, {key, at::ones(shape)});
    EXPECT_THAT(error_of(name), AllOf(HasSubstr(weights_of(name).string()), HasSubstr(key)));
  }
}

constexpr std::int64_t kRank = 16;  // of all adapters here, with alpha as much

class AdaptedEmbedding : public PeftReading {
 protected:
  // "whole" trains the embedding as a whole, which is to be `words`; "adapted" is the same but for
  // the embedding, which has the factors.
  void write(const MethodConfig& method, bool tied, const at::Tensor& words) {
    make("whole", method,
         {.target_modules = {"q_proj"},
          .modules_to_save = {"embed_tokens"},
          .ensure_weight_tying = tied});
    Tensors whole = tensors_of("whole");
    for (NamedTensor& each : whole) {
      const bool is_words = each.name.find("embed_tokens") != std::string::npos ||
                            each.name.find("lm_head") != std::string::npos;
      if (is_words) {
        each.tensor = words;
      } else {
        adapted_.push_back(each);
      }
    }
    write_tensors(weights_of("whole"), whole);
    adapted_.push_back({kWords + "lora_embedding_A", down_});
    adapted_.push_back({kWords + "lora_embedding_B", up_});
    std::filesystem::copy(directory_ / "whole", directory_ / "adapted");
    set_key("adapted", "modules_to_save", nullptr);
    set_key("adapted", "target_modules", Json::array({"q_proj", "embed_tokens"}));
  }
  void write_adapted() { write_tensors(weights_of("adapted"), adapted_); }
  at::Tensor words_of_base() const {
    const Model model = load_model(base());
    return model.net->embedding().weight().to(at::kFloat).clone();
  }
  at::Tensor sum() const { return words_of_base() + at::mm(up_, down_).t(); }

  const std::string kWords = std::string(kPeftKeyPrefix) + "model.embed_tokens.";
  const std::string kHead = std::string(kPeftKeyPrefix) + "lm_head.";
  at::Tensor down_ = test::random_tensor({kRank, test::kTinyVocab}, 0.3, 1);
  at::Tensor up_ = test::random_tensor({32, kRank}, 0.3, 2);
  Tensors adapted_;
};

TEST_F(AdaptedEmbedding, KeepsTheTieWhereEnsureWeightTyingSaysSo) {
  write(LoraConfig{}, true, sum());
  write_adapted();
  const at::Tensor expected = logits_with("whole");
  EXPECT_LT(test::max_difference(logits_with("adapted"), expected), 1e-5);

  // The head's factors are those of the embedding, turned; PEFT writes the frozen base as well.
  adapted_.push_back({kWords + "base_layer.weight", words_of_base()});
  adapted_.push_back({kHead + "base_layer.weight", words_of_base()});
  adapted_.push_back({kHead + "lora_A.weight", up_.t().contiguous()});
  adapted_.push_back({kHead + "lora_B.weight", down_.t().contiguous()});
  write_adapted();
  EXPECT_LT(test::max_difference(logits_with("adapted"), expected), 1e-5);
  adapted_.back().tensor = adapted_.back().tensor + 1;
  write_adapted();
  EXPECT_THAT(error_of("adapted"), HasSubstr("lm_head.lora_B.weight is not"));
  set_key("adapted", "alpha_pattern", Json{{"lm_head", 3}});
  EXPECT_THAT(error_of("adapted"), HasSubstr("lm_head another scaling than model.embed_tokens"));
}

TEST_F(AdaptedEmbedding, HasColumnsOfGivenLengthsWithDora) {
  const at::Tensor lengths = test::random_tensor({32}, 0.3, 3).abs() + 0.5;
  const at::Tensor changed = sum();
  const at::Tensor own = at::linalg_vector_norm(changed, 2, at::IntArrayRef{0});
  write(DoraConfig{}, false, changed * (lengths / own));
  write_adapted();
  EXPECT_THAT(error_of("adapted"), HasSubstr("embed_tokens.lora_magnitude_vector is missing"));
  adapted_.push_back({kWords + "lora_magnitude_vector", lengths});
  write_adapted();
  EXPECT_LT(test::max_difference(logits_with("adapted"), logits_with("whole")), 1e-5);
  set_key("adapted", "ensure_weight_tying", true);
  EXPECT_THAT(error_of("adapted"), HasSubstr("use_dora gives lm_head other lengths"));
}

// With bias "all" PEFT writes what stands in the class, also where nothing reads its output.
TEST(PeftReadingOfImages, BiasesWithoutEffectHaveNoPlace) {
  TempDirectory directory;
  test::write_tiny_vision(directory / "model", {.family = "clip"});
  Model model = load_model(directory / "model");
  const TargetOptions targets{.target_modules = {"q_proj"}, .bias = TrainedBias::kAll};
  Attached attached = attach(model, LoraConfig{}, targets, {.seed = 5});
  test::disturb(attached.adapters);
  save_adapter(model, attached.adapters, attached.record, directory / "lora");
  const at::Tensor expected = test::image_logits_of(model);
  const std::filesystem::path weights = directory / "lora" / kPeftWeightsFile;
  Tensors tensors;
  {
    const SafetensorsSource file(weights);
    for (const std::string& each : file.names()) {
      tensors.push_back({each, file.read(each, at::kFloat)->clone()});
    }
  }
  const std::string prefix = kPeftKeyPrefix;
  tensors.push_back({prefix + "vision_model.post_layernorm.bias", at::ones({32})});
  write_tensors(weights, tensors);
  LoadedModel loaded = load_with_adapter(directory / "model", directory / "lora", {});
  EXPECT_TRUE(test::image_logits_of(loaded.model).equal(expected));
}

}  // namespace peft_reading_test
}  // namespace svtune
