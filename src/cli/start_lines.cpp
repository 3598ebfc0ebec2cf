#include "cli/start_lines.h"

#include "attach/layer_kinds.h"
#include "attach/svd_summary.h"
#include "base/number_text.h"
#include "base/text_util.h"

namespace svtune {
namespace {

// "  30 x q_proj [576, 576], 552,960 trainable", a line for each kind.
std::string kind_lines(const StartReport& report) {
  std::string text;
  for (const LayerKind& kind : layer_kinds(report)) {
    text += "  " + std::to_string(kind.layers) + " x " + kind.name + " [" +
            std::to_string(kind.out_features) + ", " + std::to_string(kind.in_features) + "], " +
            format_count(kind.trainable) + " trainable\n";
  }
  return text;
}

}  // namespace

std::string layers_text(const StartReport& report) {
  std::string text = "Adapted layers (" + report.method + "):\n" + kind_lines(report);
  if (!report.extras.empty()) {
    text += "  and " + std::to_string(report.extras.size()) + " whole tensors\n";
  }
  for (const std::string& line : svd_summary(report)) text += line + "\n";
  return text + "Trainable: " + format_count(report.trainable) + " of " +
         format_count(report.total) + " parameters (" + fixed(trainable_percent(report), 3) +
         " %)\n";
}

std::string recompute_text(const std::string& choice) {
  return choice.empty() ? "" : "Activations: " + choice + "\n";
}

std::string memory_text(const MemoryForecast& memory) {
  std::string text = "Peak memory (predicted): " + format_bytes(memory.total()) + "\n";
  for (const MemoryItem& item : memory.items) {
    text += "  " + item.name + ": " + format_bytes(item.bytes) + "\n";
  }
  return text;
}

}  // namespace svtune
