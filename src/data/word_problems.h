// Seeded arithmetic word problems with worked answers, the demo's data set. Every text is
// made here from templates (word_problem_templates.h); nothing is taken from a published set.
// Two or three steps, every intermediate result a whole number from 1 to 100, and the answer
// in the form that GSM8K-style scoring extracts: "... The answer is: 17".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace svtune {

struct WordProblem {
  std::string query;
  std::string response;  // one worked step a sentence, then "The answer is: N"
  int answer = 0;        // N, 1 to 100
};

// The parts share no question, and not even the same numbers in the same situation, whatever
// the seeds and counts: which part a problem belongs to is a property of the problem.
enum class Split { kTrain, kTest };

// `count` different problems; the same arguments give the same problems on every machine, and
// a larger count only appends. Throws UsageError above one million.
std::vector<WordProblem> make_word_problems(std::uint64_t seed, std::size_t count, Split split);

// {"query": ..., "response": ...} without a newline.
std::string word_problem_line(const WordProblem& problem);

}  // namespace svtune
