#include "train/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <fstream>

#include "base/errors.h"
#include "nn/cpu_allocator.h"
#include "train/train.h"
#include "train/train_test_util.h"

namespace svtune {
namespace {

using ::testing::HasSubstr;

ArchSpec medium_spec() {
  ArchSpec spec = test::tiny_spec();
  spec.vocab_size = 16000;
  spec.hidden_size = 256;
  spec.intermediate_size = 768;
  spec.num_layers = 6;
  spec.num_heads = 8;
  spec.num_kv_heads = 4;
  spec.head_dim = 32;
  spec.max_positions = 1024;
  spec.attention_scale = 0.18;
  spec.windows = std::vector<std::int64_t>(6, 0);
  return spec;
}

class Ignore final : public TrainObserver {
  void on_step(const TrainState&, const StepReport&) override {}
  void on_end(const TrainState&, const TrainResult&) override {}
};

// Four documents of 512 tokens in each batch.
std::vector<test::Document> long_documents() {
  std::vector<test::Document> documents(4, test::Document(512));
  for (std::size_t d = 0; d < 4; ++d) {
    for (std::size_t i = 0; i < 512; ++i)
      documents[d][i] = static_cast<std::int64_t>(7 * i + d) % 16000;
  }
  return documents;
}

bool reset_peak() {
  malloc_trim(0);
  std::ofstream file("/proc/self/clear_refs");
  file << 5 << std::flush;
  return file.good();
}

// Code and workspaces of the libraries are resident after a first step of any size.
void warm_up(at::ScalarType dtype) {
  test::Rig rig = test::lora_rig(dtype);
  test::CyclicSource source(test::random_documents(4, 1), 2);
  const TrainConfig config;
  TrainState state(rig.adapters, source, config.optimizer);
  Ignore observer;
  train(*rig.net, state, config, 1, observer);
}

// Predicted over measured peak of two training steps.
double forecast_ratio(at::ScalarType dtype, Recompute recompute) {
  install_caching_allocator();
  warm_up(dtype);
  const std::uint64_t before = process_memory().resident;
  test::Rig rig{test::random_model(medium_spec(), dtype), {}};
  MemoryRequest request;
  for (Linear* layer : rig.net->linears()) {
    request.weight_bytes += layer->base().dense().nbytes();
    if (layer == &rig.net->head()) continue;
    LoraConfig config;
    layer->attach(make_adapter(config, {layer->name(), layer->base(), 1}).adapter);
    rig.adapters.layers.push_back(layer);
  }
  request.weight_bytes += rig.net->embedding().nbytes();
  request.program_bytes = before;
  request.trainable_parameters = rig.adapters.num_trainable();
  request.batch_tokens = 2048;
  request.longest_document = 512;
  request.recompute = recompute;

  test::CyclicSource source(long_documents(), 4);
  TrainConfig config;
  config.recompute = recompute;
  config.batch.gradient_accumulation = 1;
  TrainState state(rig.adapters, source, config.optimizer);
  EXPECT_TRUE(reset_peak());
  Ignore observer;
  train(*rig.net, state, config, 2, observer);
  const MemoryForecast forecast = predict_memory(rig.net->spec(), dtype, request);
  const double measured = static_cast<double>(process_memory().peak);
  std::string items;
  for (const MemoryItem& item : forecast.items) {
    items += item.name + " " + std::to_string(item.bytes >> 20) + " MiB, ";
  }
  std::printf("%smeasured %.0f MiB\n", items.c_str(), measured / (1 << 20));
  return static_cast<double>(forecast.total()) / measured;
}

// What the allocator keeps for reuse depends on the order of sizes, the formula has a bound.
constexpr double kTolerance = 0.15;

TEST(Memory, ForecastIsNearTheMeasuredPeakInFp32) {
  EXPECT_NEAR(forecast_ratio(at::kFloat, Recompute::kNone), 1.0, kTolerance);
}

TEST(Memory, ForecastIsNearTheMeasuredPeakInBf16) {
  EXPECT_NEAR(forecast_ratio(at::kBFloat16, Recompute::kNone), 1.0, kTolerance);
}

TEST(Memory, ForecastIsNearTheMeasuredPeakWithRecompute) {
  EXPECT_NEAR(forecast_ratio(at::kFloat, Recompute::kFull), 1.0, kTolerance);
}

TEST(Memory, ProcessKnowsItsOwnSize) {
  const std::vector<char> block(64 << 20, 1);
  const ProcessMemory memory = process_memory();
  EXPECT_GT(memory.resident, block.size());
  EXPECT_GE(memory.peak, memory.resident);
  EXPECT_GT(available_memory(), 0u);
}

TEST(Memory, TooLargeARunIsRefusedWithItsItems) {
  const MemoryForecast forecast{{{"weights", 3ull << 30}, {"activations", 2ull << 30}}};
  EXPECT_NO_THROW(check_memory(forecast, 3ull << 30, 2ull << 30));
  try {
    check_memory(forecast, 1ull << 30, 2ull << 30);
    FAIL() << "5 GiB were promised with 3 GiB at hand";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("5.00 GiB"));
    EXPECT_THAT(error.what(), HasSubstr("activations 2.00 GiB"));
    EXPECT_THAT(error.hint(), HasSubstr("--recompute full"));
  }
}

}  // namespace
}  // namespace svtune
