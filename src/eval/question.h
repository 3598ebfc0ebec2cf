// An example as a question with the answer that is expected.
#pragma once

#include <optional>
#include <string>

#include "data/example.h"

namespace svtune {

struct Question {
  std::string prompt;     // what is asked; of a conversation all texts before the last answer
  std::string reference;  // the answer of the data; "" for a conversation without one at its end
};

// nullopt for plain text, which asks nothing.
std::optional<Question> question_of(const Example& example);

}  // namespace svtune
