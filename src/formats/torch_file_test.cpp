// Files that torch.save wrote, in both of its forms, against the same tensors as safetensors;
// hostile and damaged ones are refused by name.
#include "formats/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "formats/checkpoint_files.h"
#include "formats/pickle.h"
#include "formats/safetensors.h"

namespace svtune {
namespace torch_file_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Writes into argv[1], for all tests of one process.
constexpr const char* kWriter = R"(
import collections, json, os, pathlib, sys, warnings, zipfile
import torch
from safetensors.torch import save_file
out = pathlib.Path(sys.argv[1])
torch.manual_seed(0)
base = torch.randn(3, 4)
tensors = collections.OrderedDict([
    ('w', base), ('turned', base.t()), ('rows', base[1:]), ('tied', base),
    ('cut', torch.randn(4, 5, 6)[:, 1:4, ::2]),
    ('far', base.as_strided((2, 1, 2), (4, 2**63 - 1, 2))),
    ('parameter', torch.nn.Parameter(base.half())),
    ('bf16', base.bfloat16()), ('f64', base.double()),
    ('ids', torch.arange(7).expand((1, -1))), ('i32', torch.arange(3, dtype=torch.int32)),
    ('scalar', torch.tensor(3)), ('flag', torch.tensor([True, False])), ('none', torch.zeros(0, 3)),
    ('bytes', torch.arange(5, dtype=torch.uint8))])
plain = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
save_file(plain, out / 'reference.safetensors')
for folder in ('zip', 'old', 'sharded', 'plain'):
    os.makedirs(out / folder)
torch.save(tensors, out / 'zip' / 'pytorch_model.bin')
torch.save(tensors, out / 'old' / 'pytorch_model.bin', _use_new_zipfile_serialization=False)
torch.save(dict(tensors), out / 'plain' / 'pytorch_model.bin')
shards, place = collections.defaultdict(dict), {}
for i, name in enumerate(tensors):
    place[name] = f'pytorch_model-0000{i % 2 + 1}-of-00002.bin'
    shards[place[name]][name] = tensors[name]
for name, part in shards.items():
    torch.save(part, out / 'sharded' / name)
index = json.dumps({'metadata': {}, 'weight_map': place})
(out / 'sharded' / 'pytorch_model.bin.index.json').write_text(index)
torch.save(torch.nn.Linear(2, 3).state_dict(), out / 'state.bin')
wide = torch.randn(100, 100)
torch.save({str(i): wide.t() for i in range(40)}, out / 'many_copies.bin')
torch.save({str(i): base for i in range(2**17 + 1)}, out / 'many_names.bin')
flat = torch.zeros([1] * 64)
torch.save({str(i): flat for i in range(2**14 + 1)}, out / 'many_axes.bin')

class Call:
    def __reduce__(self):
        return os.system, ('touch ' + str(out / 'ran'),)

for name, content in {
        'call': {'a': base, 'b': Call()}, 'module': torch.nn.Linear(2, 2),
        'nested': {'model': {'a': base}}, 'number': {'a': base, 'step': 3}, 'tensor': base,
        'complex': {'a': base.cfloat()}, 'repeated': {'a': base[0].expand(5, 4)}, 'keys': {1: base},
        'control': {'a\n': base}, 'surrogate': {'a' + chr(0xDC80): base},
        'negated': {'a': torch._neg_view(base)},
        'float8': {'a': base.to(torch.float8_e4m3fn)}}.items():
    torch.save(content, out / f'{name}.bin')
with zipfile.ZipFile(out / 'zip' / 'pytorch_model.bin') as source:
    warnings.simplefilter('ignore')
    with zipfile.ZipFile(out / 'twice.bin', 'w') as target:
        for name in source.namelist() + [n for n in source.namelist() if n.endswith('data.pkl')]:
            target.writestr(name, source.read(name))
    with zipfile.ZipFile(out / 'compressed.bin', 'w', zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with zipfile.ZipFile(out / 'empty_storage.bin', 'w') as target:
        for name in source.namelist():
            target.writestr(name, b'' if name.endswith('data/0') else source.read(name))
    with zipfile.ZipFile(out / 'long_key.bin', 'w') as target:
        for name in source.namelist():
            long = b'X' + (1000).to_bytes(4, 'little') + b'0' * 1000
            target.writestr(name, source.read(name).replace(b'X\x01\0\0\x000', long))
    with zipfile.ZipFile(out / 'big_endian.bin', 'w') as target:
        for name in source.namelist():
            target.writestr(name, b'big' if name.endswith('byteorder') else source.read(name))
)";

class TorchFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string python = test::oracle_python("torch,safetensors");
    if (python.empty()) GTEST_SKIP() << "no Python with torch and safetensors";
    static const test::TempDirectory directory;
    directory_ = directory.path();
    if (!std::filesystem::exists(directory_ / "zip")) {
      test::run_oracle(python, kWriter, {directory_.string()});
    }
  }

  std::string error_of(const std::string& name) const {
    try {
      TorchFile file(directory_ / name);
    } catch (const FileError& error) {
      return error.what();
    }
    return "accepted";
  }

  std::filesystem::path directory_;
};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(TorchFiles, HoldTheSameTensorsAsSafetensorsInEveryForm) {
  const SafetensorsFile reference(directory_ / "reference.safetensors");
  for (const char* form : {"zip", "old", "plain", "sharded"}) {
    SCOPED_TRACE(form);
    const CheckpointFiles files(directory_ / form);
    EXPECT_EQ(files.entries().size(), reference.tensors().size());
    for (const TensorInfo& expected : reference.tensors()) {
      SCOPED_TRACE(expected.name);
      const auto entry = files.find(expected.name);
      ASSERT_TRUE(entry.has_value());
      EXPECT_EQ(entry->info->dtype, expected.dtype);
      EXPECT_EQ(entry->info->shape, expected.shape);
      EXPECT_EQ(text_of(entry->data()), text_of(reference.data(expected)));
      entry->file->release(*entry->info);
      EXPECT_EQ(text_of(entry->data()), text_of(reference.data(expected)));
    }
  }
}

TEST_F(TorchFiles, OfAModuleLeaveItsVersionsOut) {
  const TorchFile file(directory_ / "state.bin");
  ASSERT_EQ(file.tensors().size(), 2U);
  EXPECT_EQ(file.tensors()[0].name, "weight");
  EXPECT_EQ(file.find("bias")->shape, std::vector<std::int64_t>{3});
}

TEST_F(TorchFiles, WithOtherObjectsAreRefusedByNameAndRunNothing) {
  EXPECT_THAT(error_of("call.bin"), AllOf(HasSubstr("object of Python"), HasSubstr("system")));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "ran"));
  EXPECT_THAT(error_of("module.bin"), HasSubstr("\"torch.nn.modules.linear.Linear\""));
  EXPECT_THAT(error_of("nested.bin"), HasSubstr("\"model\": is no plain tensor"));
  EXPECT_THAT(error_of("number.bin"), HasSubstr("\"step\": is no plain tensor"));
  EXPECT_THAT(error_of("tensor.bin"), HasSubstr("no dictionary of tensors"));
  EXPECT_THAT(error_of("complex.bin"), HasSubstr("torch.ComplexFloatStorage"));
  EXPECT_THAT(error_of("float8.bin"), HasSubstr("_rebuild_tensor_v3"));
  EXPECT_THAT(error_of("repeated.bin"), HasSubstr("repeats elements"));
  EXPECT_THAT(error_of("keys.bin"), HasSubstr("keys are no names"));
  EXPECT_THAT(error_of("control.bin"), HasSubstr("keys are no names"));
  EXPECT_THAT(error_of("surrogate.bin"), HasSubstr("keys are no names"));
  EXPECT_THAT(error_of("negated.bin"), HasSubstr("not the stored ones"));
  EXPECT_THAT(error_of("compressed.bin"), HasSubstr("compressed"));
  EXPECT_THAT(error_of("many_copies.bin"), HasSubstr("4 times the file"));
  EXPECT_THAT(error_of("many_names.bin"), HasSubstr("more than 131072 tensors"));
  EXPECT_THAT(error_of("many_axes.bin"), HasSubstr("more than 1048576 axes"));
  EXPECT_THAT(error_of("long_key.bin"), HasSubstr("in a way that torch.save does not"));
  EXPECT_THAT(error_of("twice.bin"), HasSubstr("two entries have one name"));
  EXPECT_THAT(error_of("empty_storage.bin"), HasSubstr("its storage has 0 bytes"));
  EXPECT_THAT(error_of("big_endian.bin"), HasSubstr("not little-endian"));
}

// Of both forms the end is what is missing, wherever the cut lies.
TEST_F(TorchFiles, TruncatedAnywhereAreRefused) {
  for (const char* form : {"zip", "old"}) {
    const std::string whole = read_file(directory_ / form / "pytorch_model.bin", 1U << 20);
    // Of the last bytes, where the directory lies, each one.
    for (std::size_t size = 0; size < whole.size(); size += size + 64 < whole.size() ? 7 : 1) {
      const auto bytes = std::as_bytes(std::span(whole.data(), size));
      EXPECT_THROW(parse_torch_file(bytes, "cut"), FileError) << form << " at " << size;
    }
  }
}

// Every changed byte gives tensors inside the file or an error, nothing else.
TEST_F(TorchFiles, DamagedAnywhereStayInsideTheFile) {
  for (const char* form : {"zip", "old"}) {
    const std::string whole = read_file(directory_ / form / "pytorch_model.bin", 1U << 20);
    std::size_t refused = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (i % 2 == 0 ? 0x55 : 0xFF));
      const auto bytes = std::as_bytes(std::span(damaged.data(), damaged.size()));
      try {
        for (const TorchTensor& each : parse_torch_file(bytes, "damaged")) {
          EXPECT_LE(each.info.begin, each.info.end) << form << " at " << i;
          EXPECT_LE(each.info.end, whole.size()) << form << " at " << i;
        }
      } catch (const FileError&) {
        ++refused;
      }
    }
    EXPECT_GT(refused, whole.size() / 20) << form;
  }
}

std::string pickle_error(const std::string& text) {
  try {
    const Pickle pickle(std::as_bytes(std::span(text.data(), text.size())), "many", {});
  } catch (const FileError& error) {
    return error.what();
  }
  return "accepted";
}

// A tuple is one byte of the file.
TEST(PickleValues, AreBounded) {
  const auto error_for = [](std::size_t tuples, std::size_t stored) {
    return pickle_error(std::string(tuples, ')') + std::string(stored, '\x94') + '.');
  };
  EXPECT_EQ(error_for(kMostPickleValues, 0), "accepted");
  EXPECT_THAT(error_for(kMostPickleValues + 1, 0), HasSubstr("more than 1048576 values"));
  EXPECT_THAT(error_for(1, kMostPickleValues + 1), HasSubstr("more than 1048576 values"));
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

// So is a mark; a reference to a value that was stored is two.
TEST(PickleValues, MarksAndReferencesAreBounded) {
  EXPECT_THAT(pickle_error(std::string(kMostPickleValues + 1, '(') + "."),
              AllOf(HasSubstr("many"), HasSubstr("more than 1048576 values and marks")));
  EXPECT_THAT(pickle_error(")\x94" + repeated(std::string("h\0", 2), kMostPickleValues) + "."),
              HasSubstr("more than 1048576 values and marks"));
  // Lists of half a million references each: nine are too many.
  const std::string half = repeated(std::string("h\0", 2), kMostPickleValues / 2);
  const auto lists = [&](std::size_t count) {
    std::string text = ")\x94";
    for (std::size_t i = 0; i < count; ++i) text += "](" + half + "e";
    return pickle_error(text + ".");
  };
  EXPECT_EQ(lists(8), "accepted");
  EXPECT_THAT(lists(9), HasSubstr("more than 4194304 references"));
}

TEST(TorchFileName, IsToldByItsEnding) {
  EXPECT_TRUE(is_torch_file_name("a/pytorch_model.bin"));
  EXPECT_TRUE(is_torch_file_name("a.pt"));
  EXPECT_FALSE(is_torch_file_name("a/model.safetensors"));
  EXPECT_FALSE(is_torch_file_name("bin"));
}

}  // namespace torch_file_test
}  // namespace svtune
