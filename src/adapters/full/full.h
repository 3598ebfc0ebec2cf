// Full fine-tuning of a matrix: the weight itself trains, as an fp32 master with a copy in
// the compute dtype. The base is given back, since the master holds everything. A 16-bit copy is
// rounded stochastically, each weight by its own fixed random number: rounded to nearest, updates
// below half a step would change nothing until they add up. Source: Gupta et al. 1502.02551.
// Biases alone: BitFit 2106.10199.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "adapters/method.h"
#include "adapters/quantized_start.h"
#include "base/fields.h"
#include "nn/ops/stochastic_round.h"

namespace svtune {

enum class FullPart { kAll, kBiases, kHead };
inline constexpr EnumName<FullPart> kFullPartNames[] = {
    {FullPart::kAll, "all", "every tensor, or the chosen matrices"},
    {FullPart::kBiases, "biases",
     "biases alone, of the whole model or of the chosen layers (BitFit)"},
    {FullPart::kHead, "head", "the output head alone, on frozen features (linear probing)"},
};
constexpr std::span<const EnumName<FullPart>> enum_names(FullPart) { return kFullPartNames; }

struct FullConfig {
  static constexpr std::string_view kName = "full";
  static constexpr std::string_view kSummary = "all weights train";
  Rounding rounding = Rounding::kAuto;
  FullPart part = FullPart::kAll;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rounding, {.name = "rounding",
                          .help = "How the fp32 weights become those of a 16-bit model, when it "
                                  "computes and when it is saved; auto is stochastic here"});
    visit(self.part, {.name = "part",
                      .help = "What of the model trains",
                      .when = not_with("resize_embeddings")});
  }
  bool operator==(const FullConfig&) const = default;
};

class FullAdapter final : public Adapter {
 public:
  // `weight` [out, in] fp32 (fp64 in tests) becomes the trained leaf. `seed` is of its copy's
  // stochastic rounding; unset: to nearest.
  FullAdapter(const at::Tensor& weight, at::ScalarType compute_dtype,
              std::optional<std::uint64_t> seed);

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::vector<Trainable> trainables() override;
  at::Tensor plain_weight() const override { return weight_; }
  AdapterMemory memory(std::int64_t tokens) const override;
  void refresh(const BaseWeight& base) override;

 private:
  void remake_copy();

  at::Tensor weight_;
  at::Tensor compute_copy_;
  at::ScalarType compute_dtype_;
  std::optional<std::uint64_t> seed_;
};

MethodTraits traits(const FullConfig& config);
void check_layer(const FullConfig& config, const LayerSite& site);
AdapterInit make_adapter(const FullConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const FullConfig& config, const LayerSite& site);
// Throws UsageError: the matrices that train are those that would be quantised.
QuantizedStart<FullConfig> quantized_start(const FullConfig& config);

}  // namespace svtune
