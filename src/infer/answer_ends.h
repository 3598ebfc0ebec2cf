// What ends an answer under a model, its tokenizer and the prompt template in use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/prompt_template.h"

namespace svtune {

struct AnswerEnds {
  std::vector<std::int32_t> ids;   // tokens, none of which is part of the answer
  std::vector<std::string> texts;  // cut off likewise
};

// The model's end tokens (io/load_tokenizer.h) and the template's own turn end, by whatever name.
AnswerEnds answer_ends(const std::filesystem::path& model, const Tokenizer& tokenizer,
                       const PromptTemplate& prompt);

}  // namespace svtune
