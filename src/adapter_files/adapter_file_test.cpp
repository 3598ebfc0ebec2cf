#include "adapter_files/adapter_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "adapter_files/loaded_model.h"
#include "adapter_files/peft_directory.h"
#include "adapter_files/saved_adapter_test_util.h"
#include "adapter_files/side_file.h"
#include "adapters/svft/sparse_matrix.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "base/random.h"
#include "io/safetensors_source.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"

namespace svtune {
namespace adapter_file_test {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kFirst = "model.layers.0.self_attn.q_proj";

class AdapterFile : public test::SavedAdapterTest {
 protected:
  template <class Failure>
  std::string error_of(const std::string& name, const std::filesystem::path& base) {
    Model model = load_model(base);
    const at::Tensor before = test::logits_of(model);
    std::string text;
    try {
      load_adapter(model, directory_ / name);
      ADD_FAILURE() << name << " was loaded";
    } catch (const Failure& error) {
      text = error.what();
    }
    EXPECT_TRUE(before.equal(test::logits_of(model))) << "the failure changed the model";
    return text;
  }

  void expect_same_files(const std::string& a, const std::string& b) {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / a)) {
      const std::string name = entry.path().filename();
      EXPECT_EQ(read_file(entry.path(), 1 << 30), read_file(directory_ / b / name, 1 << 30))
          << name;
      ++files;
    }
    EXPECT_GE(files, 2);
  }

  // The error of a LoRA whose configuration was changed.
  std::string error_of_config(const std::function<std::string(Json)>& change) {
    make("changed", LoraConfig{});
    const std::filesystem::path path = directory_ / "changed" / kPeftConfigFile;
    write_file_atomic(path, change(read_json_file(path)));
    const std::string error = error_of<FileError>("changed", base());
    std::filesystem::remove_all(directory_ / "changed");
    return error;
  }

  // Copies an adapter with other keys in its weights.
  void rename_keys(const std::string& from, const std::string& to,
                   const std::function<std::string(std::string)>& renamed) {
    std::filesystem::copy(directory_ / from, directory_ / to);
    const SafetensorsSource file(directory_ / from / kPeftWeightsFile);
    std::vector<NamedTensor> tensors;
    for (const std::string& name : file.names()) {
      tensors.push_back({renamed(name), file.read(name, at::kFloat)->clone()});
    }
    write_tensors(directory_ / to / kPeftWeightsFile, tensors);
  }

  at::Tensor make_on_more_words(const std::string& name, const MethodConfig& method);
};

const TargetOptions kEverything = {.target_modules = {"all-linear"},
                                   .modules_to_save = {"lm_head", "norm"},
                                   .bias = TrainedBias::kAll};

TEST_F(AdapterFile, SaveLoadSaveGivesTheSameBytes) {
  LoraConfig lora;
  lora.low_rank = {.rank = 3, .alpha = {}, .rslora = true, .rank_pattern = {{"up_proj", 5}}};
  PissaConfig pissa;
  pissa.low_rank.rank = 4;
  PissaConfig again = pissa;
  again.initial_factors = InitialFactors::kRecompute;
  PissaConfig fast = again;
  fast.svd = PissaSvd::kFast;
  SvftConfig svft{.pattern = SvftPattern::kRandom, .bandwidth = 2, .gate = true};
  SvftConfig stored = svft;
  stored.basis = SvftBasisStorage::kStored;
  SvftConfig truncated{.bandwidth = 1, .basis_rank = 6};
  const std::vector<MethodConfig> methods = {lora, pissa, again, fast, svft, stored, truncated};
  for (std::size_t i = 0; i < methods.size(); ++i) {
    const MethodConfig& method = methods[i];
    const std::string name = method_name(method) + std::to_string(i);
    SCOPED_TRACE(name);
    const at::Tensor logits = make(name, method, kEverything);
    Model model = load_model(base());
    const LoadedAdapter loaded = load_adapter(model, directory_ / name);
    EXPECT_TRUE(loaded.warnings.empty()) << loaded.warnings[0];
    EXPECT_TRUE(logits.equal(test::logits_of(model))) << name;
    EXPECT_EQ(loaded.record.seed, 5u);
    save_adapter(model, loaded.adapters, loaded.record, directory_ / (name + "-again"));
    expect_same_files(name, name + "-again");
  }
}

std::vector<std::string> files_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

TEST_F(AdapterFile, CompactOnesHoldTheirNumbersAlone) {
  PissaConfig pissa;
  pissa.low_rank.rank = 4;
  pissa.initial_factors = InitialFactors::kRecompute;
  const SvftConfig svft{.bandwidth = 1, .basis_rank = 6};
  for (const MethodConfig& method : {MethodConfig(pissa), MethodConfig(svft)}) {
    const std::string name = method_name(method);
    make(name, method);
    EXPECT_THAT(files_in(directory_ / name), ElementsAre("svtune.json", kStateFile));
    EXPECT_EQ(read_json_file(directory_ / name / kSideFile)["format"], 2);
  }
  const SafetensorsSource file(directory_ / "pissa" / kStateFile);
  EXPECT_THAT(file.names(), Not(Contains(HasSubstr("initial_A"))));
  EXPECT_THAT(SafetensorsSource(directory_ / "svft" / kStateFile).names(),
              Each(AnyOf(HasSubstr("svft_M"), HasSubstr("svft_probe"))));
}

// Changes one tensor of a state file.
void change(const std::filesystem::path& directory, const std::string& name,
            const at::Tensor& tensor) {
  const SafetensorsSource file(directory / kStateFile);
  std::vector<NamedTensor> tensors;
  for (const std::string& each : file.names()) {
    if (each != name) tensors.push_back({each, file.read(each, *file.dtype(each))->clone()});
  }
  tensors.push_back({name, tensor});
  write_tensors(directory / kStateFile, tensors);
}

TEST_F(AdapterFile, AStartWithAnotherHashIsRefused) {
  PissaConfig pissa;
  pissa.low_rank.rank = 4;
  pissa.initial_factors = InitialFactors::kRecompute;
  make("pissa", pissa);
  change(directory_ / "pissa", kFirst + ".initial_hash", at::ones({2}, at::kInt));
  const std::string error = error_of<ModelError>("pissa", base());
  EXPECT_THAT(error, AllOf(HasSubstr(kFirst), HasSubstr("not, to the bit")));
}

// U R Vᵀ ω [out] with fixed R and ω, as format 1 had it beside the positions.
at::Tensor probe_of_format_1(const at::Tensor& U, const at::Tensor& V,
                             const at::Tensor& positions) {
  const auto normal = [](std::int64_t size, std::uint64_t stream) {
    Xoshiro256 random(0x5356465450524F42 + stream);
    at::Tensor values = at::empty({size}, at::kDouble);
    for (std::int64_t i = 0; i < size; ++i) values[i] = static_cast<float>(random.normal());
    return values;
  };
  const at::Tensor R = SparsePattern(U.size(1), positions).dense(normal(positions.size(1), 2));
  const at::Tensor x = at::mv(V.to(at::kDouble).t(), normal(V.size(0), 1));
  return at::mv(U.to(at::kDouble), at::mv(R, x)).to(at::kFloat);
}

TEST_F(AdapterFile, FilesOfFormat1AreRead) {
  SvftConfig config{.pattern = SvftPattern::kRandom, .bandwidth = 2};
  const at::Tensor logits = make("new", config);
  config.basis = SvftBasisStorage::kStored;
  make("stored", config);
  std::filesystem::copy(directory_ / "new", directory_ / "old");
  const SafetensorsSource stored(directory_ / "stored" / kStateFile);
  for (const std::string& name : stored.names()) {
    if (!name.ends_with("svft_positions")) continue;
    const std::string layer = name.substr(0, name.size() - std::string("svft_positions").size());
    const at::Tensor positions = stored.read(name, at::kInt)->clone();
    change(directory_ / "old", name, positions);
    change(directory_ / "old", layer + "svft_probe",
           probe_of_format_1(*stored.read(layer + "svft_U", at::kFloat),
                             *stored.read(layer + "svft_V", at::kFloat), positions));
  }
  Json json = read_json_file(directory_ / "old" / kSideFile);
  json["format"] = 1;
  write_file_atomic(directory_ / "old" / kSideFile, dump_json(json));
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "old");
  EXPECT_TRUE(logits.equal(test::logits_of(model)));
  // Saved again it has the newer form.
  save_adapter(model, loaded.adapters, loaded.record, directory_ / "again");
  expect_same_files("new", "again");
}

TEST_F(AdapterFile, LoadedAdapterTrainsOn) {
  LoraConfig lora;
  make("lora", lora);
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "lora");
  model.net->loss(test::one_document(test::tiny_tokens())).backward();
  int with_gradient = 0;
  for (const Trainable& each : loaded.adapters.trainables()) {
    ASSERT_TRUE(each.tensor.grad().defined()) << each.name;
    ++with_gradient;
  }
  EXPECT_EQ(with_gradient, 12);  // A and B of q_proj and v_proj in three layers
}

TEST_F(AdapterFile, AnotherBaseIsRefused) {
  PissaConfig pissa;
  pissa.low_rank.rank = 4;
  const SvftConfig stored{.pattern = SvftPattern::kPlain, .basis = SvftBasisStorage::kStored};
  PissaConfig again = pissa;
  again.initial_factors = InitialFactors::kRecompute;
  const std::vector<MethodConfig> methods = {pissa, again, stored,
                                             SvftConfig{.pattern = SvftPattern::kPlain}};
  test::write_tiny_model(directory_ / "other", {.family = "qwen2", .tied = true, .seed = 2});
  int count = 0;
  for (const MethodConfig& method : methods) {
    const std::string name = method_name(method) + std::to_string(count++);
    make(name, method);
    const std::string error = error_of<ModelError>(name, directory_ / "other");
    EXPECT_THAT(error, HasSubstr("belongs to another base model"));
    EXPECT_THAT(error, HasSubstr("6 of 6"));
    EXPECT_THAT(error, HasSubstr("model.layers.0.self_attn.q_proj"));
  }
}

TEST_F(AdapterFile, EveryMismatchIsReportedAtOnce) {
  LoraConfig lora;
  make("lora", lora);
  const std::filesystem::path weights = directory_ / "lora" / kPeftWeightsFile;
  const std::string prefix = "base_model.model.model.layers.";
  const at::Tensor nan = at::full({16, 32}, std::nan(""));
  write_tensors(weights, {{prefix + "0.self_attn.q_proj.lora_A.weight", at::zeros({2, 32})},
                          {prefix + "1.self_attn.q_proj.lora_A.weight", nan},
                          {prefix + "9.self_attn.q_proj.lora_A.weight", at::zeros({16, 32})}});
  const std::string error = error_of<FileError>("lora", base());
  EXPECT_THAT(error, HasSubstr("0.self_attn.q_proj.lora_A.weight has shape [2, 32], the model "
                               "needs [16, 32]"));
  EXPECT_THAT(error, HasSubstr("0.self_attn.q_proj.lora_B.weight is missing"));
  EXPECT_THAT(error, HasSubstr("1.self_attn.q_proj.lora_A.weight holds NaN or infinity"));
  EXPECT_THAT(error, HasSubstr("more"));
}

TEST_F(AdapterFile, HintFitsNumbersThatAreNotFinite) {
  LoraConfig lora;
  make("lora", lora);
  std::filesystem::copy(directory_ / "lora", directory_ / "nan");
  const SafetensorsSource file(directory_ / "lora" / kPeftWeightsFile);
  std::vector<NamedTensor> tensors;
  for (const std::string& name : file.names()) {
    tensors.push_back({name, file.read(name, at::kFloat)->clone()});
  }
  tensors[0].tensor.fill_(std::nan(""));
  write_tensors(directory_ / "nan" / kPeftWeightsFile, tensors);
  Model model = load_model(base());
  try {
    load_adapter(model, directory_ / "nan");
    FAIL() << "NaN was read";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr(tensors[0].name + " holds NaN or infinity"));
    EXPECT_THAT(error.hint(), HasSubstr("diverged"));
  }
}

TEST_F(AdapterFile, KeysThatChangeTheMathematicsAreNamed) {
  LoraConfig lora;
  make("lora", lora);
  const std::filesystem::path path = directory_ / "lora" / kPeftConfigFile;
  Json json = read_json_file(path);
  json["use_qalora"] = true;
  json["init_lora_weights"] = "corda";
  json["r"] = "four";
  write_file_atomic(path, dump_json(json));
  const std::string error = error_of<FileError>("lora", base());
  for (const char* key : {"use_qalora", "\"corda\"", "\"r\" is \"four\""}) {
    EXPECT_THAT(error, HasSubstr(key));
  }
}

TEST_F(AdapterFile, TechniquesThatAreNotSupportedAreRefusedByName) {
  const std::map<std::string, Json> techniques = {
      {"alora_invocation_tokens", {3, 4}}, {"use_qalora", true},
      {"use_bdlora", {{"nblocks", 2}}},    {"megatron_config", {{"tensor_model_parallel_size", 2}}},
      {"arrow_config", {{"top_k", 3}}},    {"monteclora_config", {{"num_samples", 4}}}};
  for (const auto& [key, value] : techniques) {
    const std::string error = error_of_config([&](Json json) {
      json[key] = value;
      return dump_json(json);
    });
    EXPECT_THAT(error, HasSubstr(key + " changes what the adapter computes"));
  }
}

// The other starts that PEFT knows are read, as peft_cases.py asserts.
TEST_F(AdapterFile, StartsThatTheFilesDoNotDetermineAreRefusedByName) {
  for (const std::string start : {"corda", "loftq", "pissa_niter_4", "LoftQ"}) {
    const std::string error = error_of_config([&](Json json) {
      json["init_lora_weights"] = start;
      return dump_json(json);
    });
    EXPECT_THAT(error, HasSubstr("init_lora_weights \"" + start + "\""));
    EXPECT_THAT(error, HasSubstr("set init_lora_weights to true"));
  }
}

TEST_F(AdapterFile, OfLoraGaTheGivenBaseIsTakenWithAWarning) {
  const at::Tensor expected = make("lora", LoraConfig{});
  const std::filesystem::path path = directory_ / "lora" / kPeftConfigFile;
  Json json = read_json_file(path);
  json["init_lora_weights"] = "lora_ga";
  json["lora_ga_config"] = {{"bsz", 2}, {"direction", "ArB2r"}};
  write_file_atomic(path, dump_json(json));
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "lora");
  EXPECT_TRUE(test::logits_of(model).equal(expected));
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_THAT(loaded.warnings[0], HasSubstr("lora_ga"));
}

TEST_F(AdapterFile, NumbersThatAreNullAreRefused) {
  for (const std::string key : {"lora_alpha", "r", "lora_dropout", "bias"}) {
    const std::string error = error_of_config([&](Json json) {
      json[key] = nullptr;
      return dump_json(json);
    });
    EXPECT_THAT(error, HasSubstr(key));
  }
}

TEST_F(AdapterFile, KeysWithTwoValuesAreRefused) {
  const std::string error = error_of_config([](const Json& json) {
    const std::string text = dump_json(json);
    return text.substr(0, text.rfind('}')) + ", \"lora_alpha\": 77}";
  });
  EXPECT_THAT(error, HasSubstr("\"lora_alpha\" occurs twice"));
}

TEST_F(AdapterFile, UnknownKeysThatTurnSomethingOnAreRefused) {
  for (const Json& value : {Json(true), Json{{"sharpness", 2}}, Json{1, 2}}) {
    const std::string error = error_of_config([&](Json json) {
      json["use_future"] = value;
      return dump_json(json);
    });
    EXPECT_THAT(error, HasSubstr("use_future is unknown"));
  }
}

// As a running PEFT model calls its tensors.
TEST_F(AdapterFile, KeysWithTheAdaptersNameInsideAreRead) {
  TargetOptions targets = kEverything;
  targets.bias = TrainedBias::kNone;
  const at::Tensor expected = make("lora", DoraConfig{}, targets);
  const auto named = [](const std::string& key) -> std::string {
    if (key.find(".lora_") != std::string::npos) {
      const std::size_t at = key.ends_with(".weight") ? key.size() - 7 : key.size();
      return key.substr(0, at) + ".default" + key.substr(at);
    }
    return key.substr(0, key.rfind('.')) + ".modules_to_save.default.weight";
  };
  rename_keys("lora", "named", named);
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "named");
  EXPECT_LT(test::max_difference(test::logits_of(model), expected), 1e-6);

  rename_keys("lora", "two", [&](const std::string& key) {
    std::string name = named(key);
    const std::size_t at = key.find(".layers.1.") != name.npos ? name.find("default") : name.npos;
    return at == name.npos ? name : name.replace(at, 7, "other");
  });
  EXPECT_THAT(error_of<FileError>("two", base()), HasSubstr("several adapters: default, other"));
}

const TargetOptions kAddedWords = {.target_modules = {"q_proj"},
                                   .trainable_token_indices = {3, 48, 49, 50}};

// A LoRA on a model with three words more, saved under `name`; returns the logits.
at::Tensor AdapterFile::make_on_more_words(const std::string& name, const MethodConfig& method) {
  LoadOptions load;
  load.vocab_size = test::kTinyVocab + 3;
  Model model = load_model(base(), load);
  Attached attached = attach(model, method, kAddedWords, {.seed = 5});
  test::disturb(attached.adapters);
  save_adapter(model, attached.adapters, attached.record, directory_ / name);
  return test::logits_of(model);
}

TEST_F(AdapterFile, AddedWordsComeBackWithTheAdapter) {
  const at::Tensor expected = make_on_more_words("lora", LoraConfig{});
  LoadedModel loaded = load_with_adapter(base(), directory_ / "lora", {});
  EXPECT_TRUE(test::logits_of(loaded.model).equal(expected));
  merge_to_directory(loaded.model, loaded.adapter->adapters, directory_ / "merged");
  Model merged = load_model(directory_ / "merged");
  EXPECT_EQ(merged.spec().vocab_size, test::kTinyVocab + 3);
  EXPECT_LT(test::max_difference(test::logits_of(merged), expected), 1e-5);  // fp32, summed anew

  // PEFT's two files alone name every added word.
  std::filesystem::remove(directory_ / "lora" / kSideFile);
  LoadedModel from_peft = load_with_adapter(base(), directory_ / "lora", {});
  EXPECT_TRUE(test::logits_of(from_peft.model).equal(expected));

  EXPECT_THAT(error_of<FileError>("lora", base()), HasSubstr("the id 50, the model knows 0 to 47"));
  const at::Tensor svft = make_on_more_words("svft", SvftConfig{.bandwidth = 1});
  LoadedModel own = load_with_adapter(base(), directory_ / "svft", {});
  EXPECT_TRUE(test::logits_of(own.model).equal(svft));
}

TEST_F(AdapterFile, WordsThatTheFileLeavesOpenAreRefused) {
  make_on_more_words("lora", LoraConfig{});
  make_on_more_words("svft", SvftConfig{.bandwidth = 1});
  const auto check = [&](const std::string& name) {
    LoadOptions load;
    load.vocab_size = test::kTinyVocab + 4;  // one more than the rows of the file
    Model model = load_model(base(), load);
    try {
      load_adapter(model, directory_ / name);
      FAIL() << "word 51 has no row";
    } catch (const FileError& error) {
      EXPECT_THAT(error.what(), HasSubstr("model.embed_tokens for word 51"));
    }
    EXPECT_FALSE(model.net->embedding().rows().any());
  };
  check("lora");
  check("svft");
  std::filesystem::remove(directory_ / "lora" / kSideFile);
  check("lora");
}

TEST_F(AdapterFile, WordsOfALargerBaseStay) {
  LoadOptions larger;
  larger.vocab_size = test::kTinyVocab + 2;
  Model grown = load_model(base(), larger);
  const Attached untrained = attach(grown, LoraConfig{}, {}, {.seed = 5});
  merge_to_directory(grown, untrained.adapters, directory_ / "larger");
  make("lora", LoraConfig{});
  const LoadedModel loaded = load_with_adapter(directory_ / "larger", directory_ / "lora", {});
  EXPECT_EQ(loaded.model.spec().vocab_size, test::kTinyVocab + 2);
  EXPECT_THAT(loaded.warnings, Contains(HasSubstr("48 words, this one has 50")));
}

TEST_F(AdapterFile, TrainedRowsOfAWholeMatrixAreRefused) {
  const auto refusal = [&](const MethodConfig& method, TargetOptions targets) -> std::string {
    targets.trainable_token_indices = {3, 4};
    try {
      make("never", method, targets);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal(LoraConfig{}, {.modules_to_save = {"embed_tokens"}}),
              HasSubstr("what trains whole"));
  EXPECT_THAT(refusal(LoraConfig{}, {.target_modules = {"lm_head"}}), HasSubstr("has an adapter"));
  EXPECT_THAT(refusal(VeraConfig{}, {}), HasSubstr("no place in the files of vera"));
}

// Writes the weights of argv[1]/lora as PEFT's safe_serialization=False does, in both forms of
// torch.save, and a file that would run something.
constexpr const char* kPickler = R"(
import os, pathlib, sys
import torch
from safetensors.torch import load_file
out = pathlib.Path(sys.argv[1])
tensors = load_file(out / 'lora' / 'adapter_model.safetensors')
torch.save(tensors, out / 'zip' / 'adapter_model.bin')
torch.save(tensors, out / 'old' / 'adapter_model.bin', _use_new_zipfile_serialization=False)

class Call:
    def __reduce__(self):
        return os.system, ('touch ' + str(out / 'ran'),)

torch.save({**tensors, 'more': Call()}, out / 'call' / 'adapter_model.bin')
)";

TEST_F(AdapterFile, PickledWeightsAreReadAsTensorsAndRunNothing) {
  const std::string python = test::oracle_python("torch,safetensors");
  if (python.empty()) GTEST_SKIP() << "no Python with torch and safetensors";
  const at::Tensor logits = make("lora", LoraConfig{});
  for (const char* name : {"zip", "old", "call"}) {
    std::filesystem::copy(directory_ / "lora", directory_ / name);
    std::filesystem::remove(directory_ / name / kPeftWeightsFile);
  }
  test::run_oracle(python, kPickler, {directory_.path().string()});
  for (const char* name : {"zip", "old"}) {
    Model model = load_model(base());
    EXPECT_TRUE(load_adapter(model, directory_ / name).warnings.empty()) << name;
    EXPECT_TRUE(logits.equal(test::logits_of(model))) << name;
  }
  EXPECT_THAT(error_of<FileError>("call", base()),
              AllOf(HasSubstr(kPeftPickledFile), HasSubstr("object of Python")));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "ran"));
  // Beside safetensors nobody looks at it.
  std::filesystem::copy(directory_ / "call" / kPeftPickledFile, directory_ / "lora");
  Model model = load_model(base());
  load_adapter(model, directory_ / "lora");
  EXPECT_TRUE(logits.equal(test::logits_of(model)));
}

TEST_F(AdapterFile, UnknownKeysAreWarnings) {
  LoraConfig lora;
  make("lora", lora);
  const std::filesystem::path path = directory_ / "lora" / kPeftConfigFile;
  Json json = read_json_file(path);
  json["from_the_future"] = 1;
  write_file_atomic(path, dump_json(json));
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "lora");
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_THAT(loaded.warnings[0], HasSubstr("from_the_future"));
}

TEST_F(AdapterFile, DirectoriesAreToldApart) {
  LoraConfig lora;
  make("lora", lora);
  EXPECT_TRUE(is_adapter_directory(directory_ / "lora"));
  EXPECT_FALSE(is_adapter_directory(base()));
  EXPECT_THAT(error_of<FileError>("base", base()), HasSubstr("holds neither"));
}

// Before the model is read, which may need the head that an adapter brings.
TEST_F(AdapterFile, AnAdapterThatIsNotThereIsNoFaultOfTheModel) {
  const auto said = [&](const std::filesystem::path& model, const std::filesystem::path& adapter) {
    try {
      load_with_adapter(model, adapter, {});
    } catch (const FileError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  std::filesystem::create_directory(directory_ / "bare");
  write_file_atomic(directory_ / "bare" / "config.json",
                    R"({"model_type": "bert", "architectures": ["BertModel"]})");
  EXPECT_THAT(said(directory_ / "bare", directory_ / "gone"),
              HasSubstr("no such adapter directory"));
  EXPECT_THAT(said(directory_ / "bare", base()), HasSubstr("holds neither"));
  EXPECT_THAT(said(directory_ / "no model", directory_ / "gone"),
              HasSubstr("no such model directory"));
}

}  // namespace adapter_file_test
}  // namespace svtune
