// The one list of methods, and what any of them is asked for. A new method is a folder, a line
// here and its files in CMakeLists.txt; command line, JSON, docs and the contract tests come from
// this list.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "adapters/adalora/adalora.h"
#include "adapters/boft/boft.h"
#include "adapters/calibration.h"
#include "adapters/delta_lora/delta_lora.h"
#include "adapters/dora/dora.h"
#include "adapters/flora/flora.h"
#include "adapters/full/full.h"
#include "adapters/kasa/kasa.h"
#include "adapters/lora/lora.h"
#include "adapters/lora_xs/lora_xs.h"
#include "adapters/mica/mica.h"
#include "adapters/milora/milora.h"
#include "adapters/oft/oft.h"
#include "adapters/pica/pica.h"
#include "adapters/pissa/pissa.h"
#include "adapters/psoft/psoft.h"
#include "adapters/sorsa/sorsa.h"
#include "adapters/svf/svf.h"
#include "adapters/svfit/svfit.h"
#include "adapters/svft/svft.h"
#include "adapters/tinylora/tinylora.h"
#include "adapters/vera/vera.h"
#include "base/field_condition.h"

namespace svtune {

using MethodConfig =
    std::variant<PissaConfig, SvftConfig, LoraConfig, DoraConfig, AdaloraConfig, VeraConfig,
                 OftConfig, BoftConfig, MiloraConfig, LoraXsConfig, SvfConfig, SvfitConfig,
                 PicaConfig, MicaConfig, PsoftConfig, TinyloraConfig, SorsaConfig, KasaConfig,
                 DeltaLoraConfig, FloraConfig, FullConfig>;

// The functions of adapters/method.h for whichever method it is, with their defaults.
std::string method_name(const MethodConfig& method);
MethodTraits method_traits(const MethodConfig& method);
void check_method_layer(const MethodConfig& method, const LayerSite& site);
std::unique_ptr<MethodState> make_method_state(const MethodConfig& method,
                                               std::span<const LayerSite> sites);
AdapterInit make_method_adapter(const MethodConfig& method, const LayerSite& site);
AdapterInit make_empty_method_adapter(const MethodConfig& method, const LayerSite& site);

bool method_start_exactly(MethodConfig& method, const std::vector<Linear*>& layers);

// The rank of a method that cuts it to layers which have fewer triplets, where it is the default;
// nothing for others, and not to be used where the user has named the rank.
std::optional<std::int64_t> method_cut_rank(const MethodConfig& method);

QuantizedStart<MethodConfig> method_quantized_start(const MethodConfig& method);
void check_method_dense_start(const MethodConfig& method);

// Nothing for most starts; only a method with a plan has the other three.
std::optional<CalibrationPlan> method_calibration_plan(const MethodConfig& method);
CalibrationCost method_calibration_cost(const MethodConfig& method, const LayerSite& site);
CalibratedLayer method_calibrated_start(const MethodConfig& method, const LayerSite& site,
                                        const LayerSums& sums);
MethodConfig method_with_ranks(const MethodConfig& method,
                               const std::map<std::string, std::int64_t>& ranks);

std::optional<PeftForm> method_peft_form(const MethodConfig& method,
                                         const std::vector<Linear*>& layers);
std::optional<PeftForm> method_residual_form(const MethodConfig& method,
                                             const std::vector<Linear*>& layers);
// By the first method that knows the file's peft_type and keys; otherwise a problem in `keys`.
std::optional<PeftReading<MethodConfig>> read_peft_method(PeftKeys& keys);

// When options of a run have a meaning, as its method and that one's own options say.
FieldCondition decomposing_methods();  // W is decomposed exactly
inline constexpr FieldCondition kDecomposingStarts =
    only_with("svd", "exact") || only_with("init", "pissa");
inline constexpr FieldCondition kStartsFromData = LoraConfig::kFromData;
// On a base that the run quantises for the method: in rounds of QPiSSA or LoftQ.
inline constexpr FieldCondition kStartsInRounds =
    only_with("method", "pissa") || only_with("init", "loftq");

// The method that trains a matrix as a whole: of modules that are saved whole.
MethodConfig whole_matrix_method();
// The method that trains two given factors on a frozen base.
MethodConfig low_rank_method(const LowRankConfig& low_rank);

}  // namespace svtune
