// Safetensors files against the safetensors package: byte-equal output, and both directions.
#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "formats/safetensors_writer.h"

namespace svtune {
namespace safetensors_test {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::vector<TensorSpec> example_specs() {
  return {{"w.b", DType::kF32, {2, 3}}, {"é \"q\"", DType::kBF16, {4}},
          {"w.a", DType::kF32, {1}},    {"ids", DType::kI64, {2}},
          {"flag", DType::kBool, {}},   {"none", DType::kF16, {0, 5}}};
}

void write_example(const std::filesystem::path& path) {
  SafetensorsWriter writer(path, example_specs());
  unsigned char next = 0;
  for (const TensorInfo& info : writer.order()) {
    std::string data(info.byte_size(), '\0');
    for (char& c : data) c = info.dtype == DType::kBool ? '\1' : static_cast<char>(next++ & 0x3F);
    // In two pieces, to cover streaming within a tensor.
    writer.write(info.name, bytes_of(std::string_view(data).substr(0, data.size() / 2)));
    writer.write(info.name, bytes_of(std::string_view(data).substr(data.size() / 2)));
  }
  writer.commit();
}

TEST(Safetensors, WriteThenReadGivesTheSameTensors) {
  test::TempDirectory directory;
  write_example(directory / "m.safetensors");
  SafetensorsFile file(directory / "m.safetensors");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.tensors().size(), 6U);
  const TensorInfo* info = file.find("w.b");
  ASSERT_NE(info, nullptr);
  EXPECT_EQ(info->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(file.data(*info).size(), 24U);
  EXPECT_EQ(file.find("w.c"), nullptr);
  const SafetensorsFile moved = std::move(file);
  EXPECT_EQ(moved.find("w.b")->dtype, DType::kF32);
}

TEST(Safetensors, OutputIsByteEqualToTheReferencePackage) {
  const std::string python = test::oracle_python("safetensors");
  if (python.empty()) GTEST_SKIP() << "no Python with safetensors";
  test::TempDirectory directory;
  write_example(directory / "ours.safetensors");
  const std::string script = R"(
import ctypes, sys
from safetensors import TensorSpec, serialize_file, deserialize
data = open(sys.argv[1], 'rb').read()
names = {'F32': 'float32', 'BF16': 'bfloat16', 'I64': 'int64', 'BOOL': 'bool', 'F16': 'float16'}
buffers, tensors = [], {}
for name, t in deserialize(data):
    buffers.append(ctypes.create_string_buffer(bytes(t['data']), len(t['data'])))
    tensors[name] = TensorSpec(dtype=names[t['dtype']], shape=t['shape'],
                               data_ptr=ctypes.addressof(buffers[-1]), data_len=len(t['data']))
serialize_file(tensors, sys.argv[2], {'format': 'pt'})
print(len(tensors), end='')
)";
  EXPECT_EQ(test::run_oracle(python, script,
                             {directory / "ours.safetensors", directory / "theirs.safetensors"}),
            "6");
  EXPECT_EQ(read_file(directory / "ours.safetensors", 10000),
            read_file(directory / "theirs.safetensors", 10000));
}

TEST(Safetensors, WriterRefusesWrongOrderSizeAndNames) {
  test::TempDirectory directory;
  const auto path = directory / "m.safetensors";
  SafetensorsWriter writer(path, {{"a", DType::kU8, {2}}, {"b", DType::kU8, {2}}});
  EXPECT_THROW(writer.write("b", bytes_of("xx")), Error);
  EXPECT_THROW(writer.write("a", bytes_of("xxx")), Error);
  writer.write("a", bytes_of("xx"));
  EXPECT_THROW(writer.commit(), Error);
  EXPECT_FALSE(std::filesystem::exists(path));
  const auto make = [&](TensorSpec first, TensorSpec second) {
    SafetensorsWriter w(path, {std::move(first), std::move(second)});
  };
  EXPECT_THROW(make({"a", DType::kU8, {2}}, {"a", DType::kF32, {2}}), FileError);
  EXPECT_THROW(make({"a\n", DType::kU8, {2}}, {"b", DType::kF32, {2}}), FileError);
  EXPECT_THROW(make({"a", DType::kU8, {-2}}, {"b", DType::kF32, {2}}), FileError);
}

TEST(Safetensors, TruncatedFileIsRefusedWithItsPath) {
  test::TempDirectory directory;
  write_example(directory / "m.safetensors");
  const std::string whole = read_file(directory / "m.safetensors", 10000);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{20}, whole.size() - 1}) {
    write_file_atomic(directory / "cut.safetensors", whole.substr(0, size));
    EXPECT_THROW(SafetensorsFile(directory / "cut.safetensors"), FileError) << size;
  }
}

}  // namespace safetensors_test
}  // namespace svtune
