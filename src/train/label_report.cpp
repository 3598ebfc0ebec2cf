#include "train/label_report.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/hash.h"
#include "base/random.h"
#include "data/image_store.h"
#include "report/thumbnail.h"

namespace svtune {
namespace {

// A page of some hundred kilobytes: pictures have about ten each.
constexpr std::size_t kWrong = 12, kRight = 8;
constexpr std::int32_t kPictureSide = 64;  // pixels
constexpr std::size_t kTextBytes = 240;
// Of more classes only mistakes are kept, the most frequent ones.
constexpr std::int64_t kAllCells = 25;
constexpr std::size_t kMistakes = 40;

std::size_t place(std::int64_t index) { return static_cast<std::size_t>(index); }

// What the meter has measured, in its order.
struct MeasuredItem {
  std::int64_t document;
  std::optional<std::uint32_t> word;  // of the document, where words have the labels
};

std::vector<MeasuredItem> measured_items(const LabelledDocuments& data) {
  std::vector<MeasuredItem> items;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const std::vector<std::uint32_t>* words = data.learnt_words(i);
    if (words == nullptr) items.push_back({i, std::nullopt});
    if (words == nullptr) continue;
    for (const std::uint32_t word : *words) items.push_back({i, word});
  }
  return items;
}

ReportConfusion confusion_of(const LabelSet& labels, const LabelMeter& meter) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> counts;
  for (std::int64_t i = 0; i < meter.items(); ++i) {
    ++counts[{meter.wanted_classes()[place(i)], meter.predicted_classes()[place(i)]}];
  }
  ReportConfusion confusion{labels.names(), {}};
  const bool all = labels.size() <= kAllCells;
  for (const auto& [pair, count] : counts) {
    if (all || pair.first != pair.second) {
      confusion.cells.push_back({pair.first, pair.second, count});
    }
  }
  if (all || confusion.cells.size() <= kMistakes) return confusion;
  std::ranges::stable_sort(confusion.cells,
                           [](const auto& a, const auto& b) { return a.count > b.count; });
  confusion.cells.resize(kMistakes);
  return confusion;
}

// Wrong ones by falling probability, then some right ones in their order.
std::vector<std::int64_t> shown_items(const LabelMeter& meter, std::uint64_t seed) {
  std::vector<std::int64_t> wrong, right;
  for (std::int64_t i = 0; i < meter.items(); ++i) {
    const bool same = meter.wanted_classes()[place(i)] == meter.predicted_classes()[place(i)];
    (same ? right : wrong).push_back(i);
  }
  std::ranges::stable_sort(wrong, [&](std::int64_t a, std::int64_t b) {
    return meter.probability(a) > meter.probability(b);
  });
  wrong.resize(std::min(kWrong, wrong.size()));
  Xoshiro256 random(derive_seed(seed, "report", "right"));
  random.shuffle(std::span<std::int64_t>(right));
  right.resize(std::min(kRight, right.size()));
  std::ranges::sort(right);
  wrong.insert(wrong.end(), right.begin(), right.end());
  return wrong;
}

// Cut between characters of UTF-8.
std::string beginning(const std::string& text) {
  if (text.size() <= kTextBytes) return text;
  std::size_t end = kTextBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

// The folder tells the class or the part of the data.
std::string image_label(const LabelledRecord& record) {
  if (record.first.empty()) return "image " + std::to_string(record.line);
  const std::filesystem::path path = record.first;
  return (path.parent_path().filename() / path.filename()).string();
}

// The word between arrows, with those around it.
std::string around_word(const std::vector<std::string>& words, std::size_t word) {
  constexpr std::size_t kAround = 8;  // words on each side
  const std::size_t begin = word - std::min(word, kAround);
  const std::size_t end = std::min(words.size(), word + kAround + 1);
  std::string text = begin > 0 ? "… " : "";
  for (std::size_t i = begin; i < end; ++i) {
    text += (i > begin ? " " : "") + (i == word ? "→ " + words[i] + " ←" : words[i]);
  }
  return text + (end < words.size() ? " …" : "");
}

ReportPrediction prediction_of(const LabelledDocuments& data, const LabelMeter& meter,
                               std::int64_t index, const MeasuredItem& item) {
  const LabelledRecord& record = data.records().records[place(item.document)];
  const std::vector<std::string>& names = data.labels()->names();
  ReportPrediction one;
  one.label = names[place(meter.wanted_classes()[place(index)])];
  one.predicted = names[place(meter.predicted_classes()[place(index)])];
  one.probability = meter.probability(index);
  if (item.word) {
    one.name = data.records().place(record);
    one.text = beginning(around_word(record.words, *item.word));
  } else if (const auto* images = dynamic_cast<const ImageStore*>(&data)) {
    one.name = image_label(record);
    try {
      one.image = thumbnail_uri(load_image(images->images(), record), kPictureSide);
    } catch (const FileError& error) {  // a file that is gone costs its picture, not the report
      one.text = error.what();
    }
  } else {
    one.name = data.records().place(record);
    one.text = beginning(record.second ? record.first + "\n" + *record.second : record.first);
  }
  return one;
}

}  // namespace

void report_classes(const LabelledDocuments& data, const LabelMeter& meter, std::uint64_t seed,
                    ReportRun& run) {
  run.confusion = confusion_of(*data.labels(), meter);
  run.predictions.clear();
  const std::vector<MeasuredItem> items = measured_items(data);
  for (const std::int64_t index : shown_items(meter, seed)) {
    run.predictions.push_back(prediction_of(data, meter, index, items.at(place(index))));
  }
}

}  // namespace svtune
