// For tests only: files of a small run that learns labels with an encoder.
#pragma once

#include <filesystem>
#include <string>

#include "base/files.h"
#include "io/tiny_encoder_test_util.h"
#include "train/run_options.h"

namespace svtune::test {

// A bare BERT over 43 words with a tokenizer, which a head of labels has to be made for.
inline void write_word_encoder(const std::filesystem::path& directory) {
  write_tiny_encoder(directory, {.family = "bert", .bare = true});
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int word = 0; word < 43; ++word) vocabulary += "w" + std::to_string(word) + "\n";
  write_file_atomic(directory / "vocab.txt", vocabulary);
  write_file_atomic(directory / "tokenizer_config.json",
                    R"({"tokenizer_class": "BertTokenizer", "do_lower_case": true})");
}

// Pairs whose class, and number, follow from the first word of the second text.
inline std::string labelled_pairs(int count, bool numbers) {
  std::string text = "sentence1\tsentence2\tlabel\n";
  for (int i = 0; i < count; ++i) {
    const std::string yes = numbers ? "1.5" : "yes", no = numbers ? "-0.5" : "no";
    text += "w" + std::to_string(i % 40) + " w7\tw" + std::to_string(i % 2) + " w" +
            std::to_string(i * 7 % 40) + "\t" + (i % 2 == 0 ? yes : no) + "\n";
  }
  return text;
}

// Learns 64 pairs in `directory`, whose model is written already.
inline TrainOptions label_run(const std::filesystem::path& directory, TrainTask task) {
  write_file_atomic(directory / "train.tsv", labelled_pairs(64, task == TrainTask::kRegress));
  TrainOptions options;
  options.model.model = directory / "model";
  options.data.data = directory / "train.tsv";
  options.data.task = task;
  options.method = LoraConfig{};
  options.train.batch.batch_size = 8;
  options.run.output = directory / "run";
  return options;
}

}  // namespace svtune::test
