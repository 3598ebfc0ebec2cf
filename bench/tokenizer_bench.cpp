// Encoding speed of one tokenizer on one thread.
//   usage: tokenizer_bench MODEL_DIR TEXT_FILE [BYTES_PER_DOCUMENT]
// Prints one JSON line: load time, best time of five passes over the text cut into documents at
// line breaks, megabytes per second, and a checksum of the ids for comparison with others.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "text/tokenizer.h"

namespace {

// Processor time: other programs on the machine do not count.
double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Documents end at the first line break behind `bytes`.
std::vector<std::string_view> cut_documents(std::string_view text, std::size_t bytes) {
  std::vector<std::string_view> documents;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t line_break = text.find('\n', std::min(at + bytes, text.size()));
    const std::size_t end = line_break == text.npos ? text.size() : line_break + 1;
    documents.push_back(text.substr(at, end - at));
    at = end;
  }
  return documents;
}

int run(const char* model_dir, const char* text_file, std::size_t document_bytes) {
  constexpr int kPasses = 5;
  const double load_start = processor_seconds();
  const auto tokenizer = svtune::Tokenizer::load(model_dir);
  const double load_seconds = processor_seconds() - load_start;
  const std::string text = svtune::read_file(text_file, std::uint64_t{1} << 32);
  const auto documents = cut_documents(text, document_bytes);
  double best = 1e30;
  std::uint64_t tokens = 0;
  std::uint64_t checksum = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    tokens = checksum = 0;
    const double start = processor_seconds();
    for (const std::string_view document : documents) {
      const auto ids = tokenizer.encode(document, false);
      tokens += ids.size();
      for (const std::int32_t id : ids) checksum += static_cast<std::uint64_t>(id);
    }
    best = std::min(best, processor_seconds() - start);
  }
  std::printf(
      "{\"load_ms\": %.1f, \"seconds\": %.6f, \"mb_per_s\": %.2f, \"documents\": %zu, "
      "\"tokens\": %llu, \"checksum\": %llu}\n",
      load_seconds * 1e3, best, static_cast<double>(text.size()) / best / 1e6, documents.size(),
      static_cast<unsigned long long>(tokens), static_cast<unsigned long long>(checksum));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tokenizer_bench MODEL_DIR TEXT_FILE [BYTES_PER_DOCUMENT]\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 2000);
  } catch (const svtune::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
