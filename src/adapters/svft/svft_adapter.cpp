#include "adapters/svft/svft_adapter.h"

#include <utility>

#include "adapters/svft/basis_probe.h"
#include "base/errors.h"
#include "base/number_text.h"
#include "base/random.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr std::uint64_t kTrialSeed = 0x5356465450524F45;  // any fixed number
// Of basis_error(): above what rounding the factors gives, and far below what any other basis does.
constexpr double kWholeDouble = 1e-12, kWholeFloat = 3e-6, kWholeBf16 = 4e-3;

at::ScalarType sum_type(at::ScalarType compute) {
  return compute == at::kDouble ? at::kDouble : at::kFloat;
}

at::Tensor fixed_random(std::int64_t size) {
  Xoshiro256 random(kTrialSeed);
  at::Tensor values = at::empty({size}, at::kFloat);
  float* data = values.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < size; ++i) data[i] = static_cast<float>(random.normal());
  return values;
}

double relative_distance(const at::Tensor& got, const at::Tensor& expected) {
  const double norm = expected.norm().item<double>();
  const double distance = (got - expected).norm().item<double>();
  return norm > 0 ? distance / norm : distance;
}

}  // namespace

double basis_error(const SvftBasis& basis, const BaseWeight& base) {
  const at::ScalarType wide = sum_type(basis.Uh.dtype());
  const std::int64_t in = basis.Vh.in_features();
  const at::Tensor x =
      fixed_random(4 * in).view({4, in}).to(at::TensorOptions(base.device()).dtype(wide));
  const at::Tensor scaled = at::linear(x, basis.Vh.dense().to(wide)) * basis.sigma;
  return relative_distance(at::mm(scaled, basis.Uh.dense().to(wide)),
                           at::linear(x, base.dense_high_precision().to(wide)));
}

bool stands_for(const SvftBasis& basis, const BaseWeight& base) {
  if (!basis.sigma.defined() || basis.Uh.dtype() != base.dtype() || basis.Uh.quantized()) {
    return false;
  }
  const at::ScalarType stored = basis.Uh.stored().scalar_type();
  const double limit = stored == at::kDouble  ? kWholeDouble
                       : stored == at::kFloat ? kWholeFloat
                                              : kWholeBf16;
  return basis_error(basis, base) <= limit;
}

SvftAdapter::SvftAdapter(SvftSetup setup) : setup_(std::move(setup)) {
  const BaseWeight& Uh = setup_.basis.Uh;
  const auto leaf = at::TensorOptions(Uh.device()).dtype(sum_type(Uh.dtype()));
  M_ = at::zeros({setup_.positions.size(1)}, leaf).requires_grad_(true);
  if (setup_.gate) gate_ = at::zeros({1}, leaf).requires_grad_(true);
  // Where there is nothing but shapes, nothing is computed.
  if (!Uh.device().is_meta()) {
    pattern_ = std::make_shared<SparsePattern>(Uh.out_features(), setup_.positions);
  }
  if (!setup_.store_basis) {
    const bool final_pattern = !setup_.values_follow || !setup_.store_positions;
    if (final_pattern && setup_.exact_Uh.defined()) drop_exact_basis();
    probe_ = setup_.values_follow
                 ? at::zeros({setup_.old_file ? Uh.in_features() : kProbeSize}, at::kFloat)
                 : own_probe_.clone();
  }
  remake_values();
}

// Its probe stands for it from here on.
void SvftAdapter::drop_exact_basis() {
  own_probe_ = basis_probe(*pattern_, setup_.exact_Uh, setup_.exact_Vh);
  setup_.exact_Uh = setup_.exact_Vh = at::Tensor();
}

std::vector<Trainable> SvftAdapter::trainables() {
  std::vector<Trainable> list{{"svft_M", M_, {}}};
  if (gate_.defined()) list.push_back({"svft_gate", gate_, {1.0, false}});
  return list;
}

std::vector<NamedTensor> SvftAdapter::frozen_state() const {
  std::vector<NamedTensor> list;
  const SvftBasis& basis = setup_.basis;
  if (setup_.store_basis) {
    list.push_back({"svft_U", basis.Uh.stored().t()});
    list.push_back({"svft_V", basis.Vh.stored().t()});
    if (basis.sigma.defined()) list.push_back({"svft_S", basis.sigma});
  } else {
    list.push_back({"svft_probe", probe_});
  }
  if (setup_.store_positions) list.push_back({"svft_positions", setup_.positions});
  return list;
}

// An empty adapter is complete once its frozen tensors hold something; until then they are
// all zero.
void SvftAdapter::finish_loading(const BaseWeight& base) {
  const at::Tensor& mark = setup_.store_basis ? setup_.basis.Uh.stored() : probe_;
  if (!setup_.values_follow || !mark.any().item<bool>()) return;
  if (setup_.store_positions) load_positions();
  if (!setup_.store_basis) check_basis(base);
  setup_.values_follow = false;
  setup_.of_bf16 = nullptr;
  if (base.defined()) setup_.whole = stands_for(setup_.basis, base);
}

void SvftAdapter::load_positions() {
  try {
    pattern_ = std::make_shared<SparsePattern>(setup_.basis.Uh.out_features(), setup_.positions);
  } catch (const ModelError& error) {
    throw ModelError(setup_.layer + ": " + error.what(), "the adapter file is damaged");
  }
  if (!setup_.seed_positions.defined()) return;
  if (!setup_.seed_positions.equal(setup_.positions)) {
    throw ModelError(setup_.layer + ": the positions of M are not those of the adapter's seed",
                     "the adapter file is damaged");
  }
  setup_.store_positions = false;
}

void SvftAdapter::check_basis(const BaseWeight& base) {
  const auto distance = [&] {
    return setup_.old_file ? relative_distance(old_basis_probe(*pattern_, setup_.basis.Uh.dense(),
                                                               setup_.basis.Vh.dense()),
                                               probe_)
                           : probe_distance(own_probe_, probe_, M_.size(0));
  };
  const double allowed = setup_.old_file ? kOldProbeTolerance : kProbeTolerance;
  if (!own_probe_.defined()) drop_exact_basis();
  if (distance() > allowed && setup_.of_bf16 && base.defined()) {
    SvftRecomputed rounded = setup_.of_bf16(base);
    setup_.basis = std::move(rounded.basis);
    own_probe_ = basis_probe(*pattern_, rounded.Uh, rounded.Vh);
  }
  if (const double off = distance(); off > allowed) {
    throw ModelError(setup_.layer +
                         ": the decomposition computed here is not the one that the adapter was "
                         "trained on: an update would move by " +
                         scientific(off, 2) + " of itself, allowed is " + scientific(allowed, 2) +
                         ". Another version, another kind of processor or another --dtype gave "
                         "other signs, or turned vectors of nearly equal values",
                     "load it as it was trained; or train with --basis stored, which keeps U and "
                     "V in the adapter");
  }
  if (setup_.old_file) probe_ = own_probe_.clone();
  setup_.old_file = false;
}

void SvftAdapter::refresh(const BaseWeight& base) {
  const at::NoGradGuard no_grad;
  finish_loading(base);
  remake_values();
}

void SvftAdapter::remake_values() {
  const at::NoGradGuard no_grad;
  dense_ = at::Tensor();
  values_ = gate_.defined() ? M_.detach() * gate_.detach().sigmoid() : M_.detach().clone();
}

SvftFactors SvftAdapter::factors() const {
  const SvftBasis& basis = setup_.basis;
  return {basis.Uh, basis.Vh, basis.sigma, values_, dense_, pattern_};
}

AdapterMemory SvftAdapter::memory(std::int64_t tokens) const {
  const SvftBasis& basis = setup_.basis;
  // The pattern by rows and by columns, its positions, and the values with the gate.
  constexpr std::int64_t kBytesPerEntry = 4 * 4 + 8 + 4;
  AdapterMemory memory;
  memory.held_bytes = kBytesPerEntry * M_.size(0);
  if (!setup_.store_basis) {
    memory.held_bytes += basis.Uh.nbytes() + basis.Vh.nbytes();
  }
  const SvftForm form = form_for(tokens, /*training=*/true);
  if (form == SvftForm::kDense) {
    memory.held_bytes += basis.Uh.in_features() * basis.Vh.in_features() *
                         static_cast<std::int64_t>(at::elementSize(basis.Uh.dtype()));
  } else {
    memory.keeps_input = false;
    memory.kept_per_token = basis.Uh.out_features();
  }
  memory.reads_base = form != SvftForm::kFactored;
  return memory;
}

SvftForm SvftAdapter::form_for(std::int64_t tokens, bool training) const {
  if (setup_.form) return *setup_.form;
  const SvftBasis& basis = setup_.basis;
  const SvftShape shape{tokens, basis.Uh.out_features(), basis.Uh.in_features(),
                        basis.Vh.in_features()};
  return cheapest_form(shape, basis.Uh.dtype(), training,
                       setup_.whole.value_or(basis.sigma.defined()), dense_.defined());
}

bool SvftAdapter::keep_base() {
  const bool factors_alone = setup_.whole.value_or(setup_.basis.sigma.defined());
  if (setup_.form == SvftForm::kDelta || !factors_alone) return false;
  setup_.form = SvftForm::kDelta;
  dense_ = at::Tensor();
  return true;
}

at::Tensor SvftAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  SvftForm form = SvftForm::kDelta;
  // A block that runs again in backward ran without gradients before, in the same form.
  const bool training = training_ || at::GradMode::is_enabled();
  {
    const at::NoGradGuard no_grad;
    if (!setup_.whole) setup_.whole = stands_for(setup_.basis, base);
    form = form_for(x.size(0), training);
    if (form == SvftForm::kDense && !dense_.defined()) {
      dense_ = svft_delta(factors()).add_(base.dense());
    }
  }
  return svft_linear(x, base, form, factors(), M_, gate_);
}

at::Tensor SvftAdapter::merged_weight(const BaseWeight& base) const {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = base.dense_high_precision();
  SvftFactors high = factors();
  high.Uh = BaseWeight(high.Uh.dense().to(weight.scalar_type()));
  high.Vh = BaseWeight(high.Vh.dense().to(weight.scalar_type()));
  return svft_delta(high).add_(weight);
}

std::optional<LowRankDelta> SvftAdapter::low_rank_delta() const {
  if (setup_.basis.sigma.defined()) return std::nullopt;
  const at::NoGradGuard no_grad;
  const at::Tensor Uh = setup_.basis.Uh.dense().to(at::kFloat);
  const at::Tensor up = pattern_->apply_transposed(values_.to(at::kFloat), Uh).t().contiguous();
  return LowRankDelta{setup_.basis.Vh.dense().to(at::kFloat), up, 1.0};
}

}  // namespace svtune
