// What adapters did to a model's weights, side by side on one page: sizes, ranks, where the
// updates lie, intruder dimensions, and how far the singular values moved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/spectrum_layer.h"

namespace svtune {

// One update ΔW of one weight W.
struct UpdateFigures {
  UpdateShares shares;
  // exp of the entropy of ΔW's singular values taken as shares of their sum (Roy and Vetterli
  // 2007).
  double effective_rank = 0;
  // Of each of the first left singular vectors of W + ΔW the largest |cosine| with any of W's.
  std::vector<double> cosines = {};
  std::int64_t intruders = 0;  // of these, those below the threshold
  double drift = 0;            // ‖σ' − σ‖ / ‖σ‖ over all singular values

  double lowest_cosine() const;  // 1 when there is none
};

struct ComparedLayer {
  std::string name;  // as in the checkpoint
  std::int64_t rows = 0, columns = 0;
  std::vector<std::optional<UpdateFigures>> updates = {};  // by adapter; absent: not changed
};

struct ComparisonInput {
  std::string title, subtitle, footer;
  std::int64_t rank = 16;  // of the leading part
  std::int64_t top = 10;   // singular vectors that are looked at
  double threshold = 0.5;
  std::vector<std::string> adapters;
  std::vector<ComparedLayer> layers;  // in the order of the model
};

// Means over the layers that an adapter changed; intruders are a sum.
struct ComparedKind {
  std::string name;         // last part of the layers' names; "" of all layers
  std::int64_t layers = 0;  // that it changed
  UpdateFigures mean;       // cosines has the lowest one alone
};
// In order of appearance, only kinds that the adapter changed.
std::vector<ComparedKind> compared_kinds(const std::vector<ComparedLayer>& layers,
                                         std::size_t adapter);
ComparedKind compared_total(const std::vector<ComparedLayer>& layers, std::size_t adapter);

// The whole page; needs no network and no script. Equal input gives equal bytes.
std::string render_comparison(const ComparisonInput& input);

}  // namespace svtune
