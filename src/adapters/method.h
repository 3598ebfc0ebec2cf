// What a method gets and gives, and the functions it may have.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/json.h"
#include "nn/adapter.h"
#include "nn/method_state.h"
#include "nn/ops/stochastic_round.h"

namespace svtune {

class SvdCache;

// One layer that a method is asked to adapt.
struct LayerSite {
  const std::string& name;  // checkpoint path of the layer
  const BaseWeight& base;
  std::uint64_t seed;         // this layer's own stream: a function of run seed, method and name
  SvdCache* cache = nullptr;  // for decompositions; may be absent
  std::shared_ptr<MethodState> state = {};  // what make_state() made; null for most methods
  // What a quantised base leaves to the adapter, or a pass over data has found; null without.
  const LowRankDelta* start = nullptr;
  std::int64_t file_format = 2;  // of the directory that holds an empty one's values
  bool shapes_only = false;      // an empty adapter whose values never come: nothing is decomposed
  bool rank_given = false;       // by the user; else a method may cut its default to the layer
};

struct AdapterInit {
  std::unique_ptr<Adapter> adapter;
  bool releases_base = false;    // the adapter holds the whole weight, the base may be freed
  Json report = Json::object();  // what the start report shows of this layer (rank, SVD, ...)
};

// What others must know of a method, for its options.
struct MethodTraits {
  bool trains_matrix = false;           // the weight itself: saved as a model, all of it by default
  bool needs_dense_base = false;        // a quantised base is refused
  Rounding rounding = Rounding::kAuto;  // of a trained matrix, when it is saved in 16 bits
  bool biases_alone = false;  // with trains_matrix: no matrix, but the biases of the same modules
  bool head_alone = false;    // with trains_matrix: the output head and nothing before it
  // Its directory holds the method's own tensors alone, without a LoRA that equals them, and
  // decompositions are done again on loading.
  bool compact_files = false;
  // Part of the forward is a constant in backward, made again by refresh(), as the method's paper
  // has it: gradients are not those of the function of all leaves.
  bool constant_in_backward = false;
  // The start is near the base model and not at it, as the method's paper has it.
  bool moves_start = false;
  // The cheapest products of some layers start at the base but for rounding, and start_exactly()
  // has others.
  bool starts_near = false;
};

// A method is a config struct with
//   static constexpr std::string_view kName, kSummary;
//   template <class Self, class Visitor> static void fields(Self&, Visitor&);
//   bool operator==(const Config&) const = default;
//   [static constexpr bool kDecomposes = true;]    // W whole or in part, exactly, in every company
// and functions found by overload, in its folder; those in brackets have a default:
//   AdapterInit make_adapter(const Config&, const LayerSite&);         // initialises
//   AdapterInit make_empty_adapter(const Config&, const LayerSite&);   // shapes only, for loading
//   [MethodTraits traits(const Config&);]                              // all false
//   [void check_layer(const Config&, const LayerSite&);]               // before any work
//   [std::unique_ptr<MethodState> make_state(const Config&, std::span<const LayerSite>);]   // none
// Of a method that starts_near, for layers where that is too far: changes `config` and the adapters
// of these layers to products that start at the base exactly; false where all of them do.
//   [bool start_exactly(Config& config, const std::vector<Linear*>&);]                      //
//   false
// A base that the run quantises for itself (adapters/quantized_start.h):
//   [QuantizedStart<Trained> quantized_start(const Config&);]          // rounded plainly
//   [void check_dense_start(const Config&);]                           // every start is possible
// A start from a pass over data: four functions that adapters/calibration.h names.
// PEFT's files (adapters/peft_form.h); without them the method has a state file of its own:
//   [std::optional<PeftForm> peft_form(const Config&, const std::vector<Linear*>&);]
//   [std::optional<PeftForm> residual_form(const Config&, const std::vector<Linear*>&);]
//   [std::optional<PeftReading<Config>> read_peft(PeftKeys&, std::type_identity<Config>);]
// check_layer() and the makers throw ModelError naming the layer when the method cannot serve it,
// check_layer() UsageError as well where options contradict each other.

}  // namespace svtune
