// Tokenizer files of a Hugging Face directory, rebuilt from the vocabulary in a GGUF file.
#pragma once

#include <filesystem>

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_vocab.h"

namespace svtune {

// tokenizer.json. Byte-level models get the pre-tokenizer that tokenizer.ggml.pre names (of
// the GPT-2, SmolLM, Llama-3, Qwen2 or Tekken kind); SentencePiece models get BPE with byte
// fallback as transformers 5 builds it, Gemma's variant included. Throws FileError for an
// unknown pre-tokenizer.
Json tokenizer_json_from_gguf(const GgufFile& file, const GgufVocab& vocab);

// tokenizer_config.json: special tokens, length limit, chat template.
Json tokenizer_config_from_gguf(const GgufFile& file, const GgufVocab& vocab);

// Writes both files into `directory`.
void write_tokenizer_files(const GgufFile& file, const std::filesystem::path& directory);

}  // namespace svtune
