// `svtune convert`: a GGUF file becomes a Hugging Face model directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "formats/checkpoint_writer.h"
#include "formats/dtype.h"
#include "formats/gguf.h"
#include "formats/gguf_checkpoint.h"

namespace svtune {

struct GgufConvertOptions {
  // Of the written weights: F32, BF16 or F16; default: that of most of the file's matrices, BF16
  // where those are quantised.
  std::optional<DType> dtype = {};
  std::uint64_t max_shard_bytes = kDefaultShardBytes;
  // The tensors that a model with this config.json has; absent: whatever the file holds.
  std::function<TensorShapes(const Json& config)> expected = {};
  // Called after every piece with the bytes written so far and in all.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

struct GgufConvertReport {
  std::uint64_t tensors = 0;
  std::uint64_t parameters = 0;
  std::uint64_t bytes = 0;  // of weights
  DType dtype = DType::kBF16;
  // Tensors with values between those of `dtype`, rounded to the nearest; expanded ones count too.
  std::uint64_t rounded = 0;
};

// Writes config.json, generation_config.json, tokenizer files and weights; memory stays
// bounded by a few MB however large the model is, and by one matrix of families whose directories
// hold matrices as [in, out] (GPT-2). `directory` appears when everything is
// there; it must not exist or be empty. Throws FileError for a file that cannot be read as a
// model (see GgufCheckpoint, write_tokenizer_files), UsageError for another dtype.
GgufConvertReport convert_gguf(const std::filesystem::path& gguf,
                               const std::filesystem::path& directory,
                               const GgufConvertOptions& options = {});

// What stands beside config.json and the weights: generation_config.json, the tokenizer's
// files and the chat template.
void write_companion_files(const GgufFile& file, const std::filesystem::path& directory);

}  // namespace svtune
