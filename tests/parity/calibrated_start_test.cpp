// Starts from data against PEFT's own on the same model and texts.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "attach/calibrate.h"
#include "base/oracle_test_util.h"
#include "io/safetensors_source.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace calibrated_start_test {

using test::TempDirectory;

const TargetOptions kTargets = {.target_modules = {"all-linear"}};

class CalibratedStartOracle : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    python_ = test::oracle_python("peft,transformers");
    if (python_.empty()) return;
    directory_ = new TempDirectory;
    test::write_tiny_model(*directory_ / "m", {.layers = 2});
    Json texts = Json::array();
    for (std::int64_t t = 0; t < 3; ++t) {
      std::vector<std::int64_t> tokens;
      for (std::int64_t i = 0; i < 40; ++i) {
        tokens.push_back((i * i * 5 + 3 * i + t) % test::kTinyVocab);
      }
      texts.push_back(tokens);
      batches_.push_back(test::one_document(tokens));
    }
    write_file_atomic(*directory_ / "texts.json", dump_json(texts));
    const auto path = [](const std::string& name) {
      return " " + test::shell_quote((*directory_ / name).string());
    };
    const auto run = test::run_command(test::shell_quote(python_) +
                                       " " SVTUNE_SOURCE_DIR "/tests/oracle/calibrated_starts.py" +
                                       path("m") + path("texts.json") + path(""));
    ASSERT_EQ(run.status, 0);
  }
  static void TearDownTestSuite() {
    delete directory_;
    directory_ = nullptr;
    batches_.clear();
  }
  void SetUp() override {
    if (python_.empty()) GTEST_SKIP() << "no Python with peft and transformers";
    model_ = load_model(*directory_ / "m");
  }

  Calibration found(const LoraConfig& config) {
    return calibrate(model_, config, kTargets, batches_);
  }

  static LoraConfig config(LoraInit init) {
    LoraConfig config;
    config.low_rank.rank = 4;
    config.low_rank.alpha = 8.0;
    config.init = init;
    return config;
  }

  static const SafetensorsSource& file(const std::string& name) {
    static std::map<std::string, std::unique_ptr<SafetensorsSource>> files;
    auto& file = files[name];
    if (!file) file = std::make_unique<SafetensorsSource>(*directory_ / (name + ".safetensors"));
    return *file;
  }

  static at::Tensor peft(const std::string& start, const std::string& layer, const char* factor) {
    const auto tensor = file(start).read(layer + "." + factor, at::kFloat);
    return tensor ? tensor->to(at::kDouble) : at::Tensor();
  }

  Model model_;
  static inline std::string python_;
  static inline TempDirectory* directory_ = nullptr;
  static inline std::vector<Batch> batches_;
};

// Largest distance of rows, each up to its sign, over their lengths.
double row_difference(const at::Tensor& rows, const at::Tensor& other) {
  const at::Tensor a = rows.to(at::kDouble), b = other.to(at::kDouble);
  const auto lengths = [](const at::Tensor& matrix) {
    return at::linalg_vector_norm(matrix, 2, at::IntArrayRef{1});
  };
  const at::Tensor either = at::minimum(lengths(a - b), lengths(a + b));
  return (either / lengths(b)).max().item<double>();
}

TEST_F(CalibratedStartOracle, EvaHasPeftsComponentsAndRanks) {
  const Calibration eva = found(config(LoraInit::kEva));
  // Layers with the same inputs tie in PEFT, and its order among them is arbitrary.
  std::map<std::string, std::multiset<std::int64_t>> wanted, got;
  const auto kind = [](const std::string& layer) {
    const bool attention =
        layer.ends_with("q_proj") || layer.ends_with("k_proj") || layer.ends_with("v_proj");
    const bool gated = layer.ends_with("gate_proj") || layer.ends_with("up_proj");
    const std::string shared = attention ? "qkv" : gated ? "gate and up" : layer;
    return layer.substr(0, layer.find('.', sizeof("model.layers."))) + " " + shared;
  };
  const LoraConfig method = std::get<LoraConfig>(eva.method);
  std::int64_t compared = 0;
  for (const Linear* layer : model_.net->linears()) {
    if (layer == &model_.net->head()) continue;
    const std::string& name = layer->name();
    const bool kept = std::ranges::count(eva.targets.target_modules, "all-linear") > 0 ||
                      std::ranges::count(eva.targets.target_modules, name) > 0;
    const std::int64_t rank =
        kept ? low_rank_shape(method.low_rank, {name, layer->base(), 0}).rank : 0;
    const at::Tensor A = peft("eva", name, "lora_A");
    wanted[kind(name)].insert(A.defined() ? A.size(0) : 0);
    got[kind(name)].insert(rank);
    if (!A.defined()) continue;
    const at::Tensor own = eva.starts.at(name).down.narrow(0, 0, A.size(0));
    EXPECT_LT(row_difference(own, A), 1e-3) << name;  // fp32 decompositions of close values
    ++compared;
  }
  EXPECT_GT(compared, 10);
  EXPECT_EQ(got, wanted);
}

TEST_F(CalibratedStartOracle, CordaHasPeftsFactorsInBothModes) {
  for (const CordaMode mode : {CordaMode::kInstruction, CordaMode::kKnowledge}) {
    LoraConfig corda = config(LoraInit::kCorda);
    corda.corda_mode = mode;
    const Calibration own = found(corda);
    const std::string name = mode == CordaMode::kInstruction ? "corda_ipm" : "corda_kpm";
    for (const auto& [layer, start] : own.starts) {
      const at::Tensor A = peft(name, layer, "lora_A"), B = peft(name, layer, "lora_B");
      // PEFT inverts a matrix whose condition is about a thousand in fp32.
      EXPECT_LT(row_difference(start.down, A), 1e-2) << name << " " << layer;
      EXPECT_LT(row_difference(start.up.t(), B.t()), 1e-2) << name << " " << layer;
      const at::Tensor product = at::mm(B, A);
      const at::Tensor got = at::mm(start.up, start.down).to(at::kDouble);
      EXPECT_LT((got - product).norm().item<double>(), 1e-2 * product.norm().item<double>())
          << name << " " << layer;
    }
    EXPECT_EQ(own.starts.size(), 14u);
  }
}

TEST_F(CalibratedStartOracle, LoraGaHasPeftsFactors) {
  LoraConfig ga = config(LoraInit::kLoraGa);
  ga.gradient_scale = GradientScale::kPeft;
  const Calibration own = found(ga);
  for (const auto& [layer, start] : own.starts) {
    const at::Tensor A = peft("lora_ga", layer, "lora_A"), B = peft("lora_ga", layer, "lora_B");
    // Singular values of the gradient that lie close mix their vectors by the rounding of fp32.
    EXPECT_LT(row_difference(start.down, A), 1e-3) << layer;
    EXPECT_LT(row_difference(start.up.t(), B.t()), 1e-3) << layer;
  }
  EXPECT_EQ(own.starts.size(), 14u);
}

}  // namespace calibrated_start_test
}  // namespace svtune
