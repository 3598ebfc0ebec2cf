// A GGUF file of arbitrary bytes, taken as far as it goes: header, configuration, tokenizer,
// tensors. Every step accepts or throws Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/errors.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_config.h"
#include "formats/gguf_tokenizer.h"
#include "memory_file.h"

namespace {

void read_vocabulary(const svtune::GgufFile& file) {
  const svtune::GgufVocab vocab = svtune::read_gguf_vocab(file);
  svtune::dump_json(svtune::tokenizer_json_from_gguf(file, vocab));
  svtune::dump_json(svtune::tokenizer_config_from_gguf(file, vocab));
}

void read_model(const std::string& path) {
  const svtune::GgufCheckpoint model(path);
  std::vector<float> row;
  for (const svtune::GgufHfTensor& tensor : model.tensors()) {
    if (tensor.rows() == 0) continue;
    row.resize(static_cast<std::size_t>(tensor.row_size()));
    model.read_rows(tensor, tensor.rows() - 1, 1, row);
  }
}

template <typename Step>
void attempt(Step step) {
  try {
    step();
  } catch (const svtune::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile memory(data, size);
  attempt([&] {
    const svtune::GgufFile file(memory.path());
    attempt([&] { svtune::dump_json(svtune::hf_config_from_gguf(file)); });
    attempt([&] { read_vocabulary(file); });
    attempt([&] { read_model(memory.path()); });
  });
  return 0;
}
