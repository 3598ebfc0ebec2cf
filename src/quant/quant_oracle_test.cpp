// Byte for byte what bitsandbytes makes of the same matrices on the CPU.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "base/json.h"
#include "base/oracle_test_util.h"
#include "formats/safetensors.h"
#include "libtorch/prelude.h"
#include "quant/kernels/block_kernels.h"
#include "quant/quantized_matrix.h"

namespace svtune {
namespace quant_oracle_test {

at::ScalarType scalar_type(DType dtype) {
  static const std::map<DType, at::ScalarType> types = {{DType::kF32, at::kFloat},
                                                        {DType::kBF16, at::kBFloat16},
                                                        {DType::kF16, at::kHalf},
                                                        {DType::kU8, at::kByte},
                                                        {DType::kI8, at::kChar}};
  return types.at(dtype);
}

std::optional<at::Tensor> read(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo* info = file.find(name);
  if (info == nullptr) return std::nullopt;
  const std::vector<std::int64_t> shape(info->shape.begin(), info->shape.end());
  at::Tensor tensor = at::empty(shape, scalar_type(info->dtype));
  std::memcpy(tensor.mutable_data_ptr(), file.data(*info).data(), tensor.nbytes());
  return tensor;
}

void expect_same_bytes(const std::optional<at::Tensor>& expected, const at::Tensor& got) {
  if (!expected) return;
  ASSERT_EQ(expected->scalar_type(), got.scalar_type());
  ASSERT_EQ(expected->nbytes(), got.nbytes());
  EXPECT_EQ(
      std::memcmp(expected->const_data_ptr(), got.contiguous().const_data_ptr(), got.nbytes()), 0);
}

class Oracle {
 public:
  explicit Oracle(const SafetensorsFile& file) : file_(file) {}

  void check(const Json& entry) {
    const std::string name = entry.at("name").get<std::string>();
    const auto tensor = [&](const std::string& part) { return read(file_, name + "." + part); };
    QuantConfig config;
    const std::string type = entry.at("type").get<std::string>();
    config.type = type == "nf4"   ? QuantType::kNf4
                  : type == "fp4" ? QuantType::kFp4
                                  : QuantType::kInt8;
    config.block_size = entry.at("block").get<std::int64_t>();
    config.double_quant = entry.at("nested").get<bool>();
    const QuantizedMatrix matrix = quantize(*tensor("weight"), config);
    const QuantStorage& storage = matrix.storage();
    expect_same_bytes(tensor("codes"), storage.codes);
    expect_same_bytes(tensor("absmax"), storage.nested() ? storage.absmax_codes : storage.absmax);
    expect_same_bytes(tensor("map"), storage.map);
    if (storage.nested()) {
      expect_same_bytes(tensor("nested_absmax"), storage.nested_absmax);
      expect_same_bytes(tensor("nested_map"), storage.nested_map);
      EXPECT_EQ(tensor("offset")->item<float>(), static_cast<float>(storage.nested_offset));
    }
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      const auto dense = tensor(dtype == at::kFloat      ? "dense.float32"
                                : dtype == at::kBFloat16 ? "dense.bfloat16"
                                                         : "dense.float16");
      // Equal as numbers: FP4's second zero becomes -0 in one of its kernels.
      if (!dense) continue;
      EXPECT_TRUE(at::equal(*dense, matrix.dequantize(dtype)));
      ++dense_cases;
    }
  }

  int dense_cases = 0;

 private:
  const SafetensorsFile& file_;
};

TEST(QuantOracle, SameBytesAsBitsandbytes) {
  const std::string python = test::oracle_python("bitsandbytes,safetensors");
  if (python.empty()) GTEST_SKIP() << "no Python with bitsandbytes and safetensors";
  const test::TempDirectory directory;
  const std::string path = (directory / "cases.safetensors").string();
  const auto run = test::run_command(test::shell_quote(python) +
                                     " " SVTUNE_SOURCE_DIR "/tests/oracle/quant_cases.py " +
                                     test::shell_quote(path));
  ASSERT_EQ(run.status, 0);
  const SafetensorsFile file(path);
  for (const kernels::BlockKernels* each : kernels::supported_block_kernels()) {
    const kernels::ForceBlockKernels force(*each);
    Oracle oracle(file);
    int cases = 0;
    std::istringstream lines(run.output);
    for (std::string line; std::getline(lines, line); ++cases) {
      SCOPED_TRACE(std::string(each->name) + " " + line);
      oracle.check(parse_json(line, "oracle"));
    }
    EXPECT_GE(cases, 1000);
    EXPECT_GE(oracle.dense_cases, 500);
  }
}

}  // namespace quant_oracle_test
}  // namespace svtune
