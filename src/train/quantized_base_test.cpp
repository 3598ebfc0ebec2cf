#include "train/quantized_base.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "nn/cpu_allocator.h"
#include "train/memory.h"

namespace svtune {
namespace quantized_base_test {

class Ignore final : public RunObserver {};

// A bf16 checkpoint read as fp32 is a copy of 80 MiB, in 4 bits it takes 11.
TEST(QuantizedBase, LeavesNothingOfTheDenseWeightsInMemory) {
  install_caching_allocator();
  const test::TempDirectory directory;
  test::write_tiny_model(directory / "model",
                         {.dtype = at::kBFloat16, .layers = 4, .hidden_size = 768});
  TrainSession session;
  session.options.method = LoraConfig{};
  session.options.model.base_dtype = QuantType::kNf4;
  session.options.model.dtype = ComputeDtype::kFp32;
  session.options.run.output = directory / "run";
  const std::uint64_t before = process_memory().resident;
  session.model = load_model(directory / "model", {at::kFloat});
  Ignore observer;
  enter_quantized_base(session, observer);
  EXPECT_LT(process_memory().resident, before + (40u << 20));
}

// A machine that holds the model in 4 bits alone can go on with the run.
TEST(QuantizedBase, IsReadAloneOnceTheRunHasACheckpoint) {
  const test::TempDirectory directory;
  const std::filesystem::path run = directory / "run", own = run / "quantized/base";
  TrainOptions options;
  options.model.model = directory / "model";
  options.model.base_dtype = QuantType::kNf4;
  options.run.output = run;
  options.run.resume = true;
  std::filesystem::create_directories(own);
  std::ofstream(run / "config.json") << "{}";
  EXPECT_EQ(base_to_read(options), options.model.model) << "its loss was not measured yet";
  std::filesystem::create_directories(run / "checkpoints/step-1");
  std::ofstream(run / "checkpoints/step-1/COMPLETE") << "{}";
  EXPECT_EQ(base_to_read(options), own);
  options.run.resume = false;
  EXPECT_EQ(base_to_read(options), options.model.model);
  options.run.resume = true;
  options.model.base_dtype.reset();
  EXPECT_EQ(base_to_read(options), options.model.model);
}

}  // namespace quantized_base_test
}  // namespace svtune
