// The adapter behind LoRA, PiSSA and DoRA: W + s·(B·A − B₀·A₀), with A₀, B₀ absent for LoRA.
//
// With initial factors the product is formed as s·(ΔB·A + B₀·ΔA), ΔA = A − A₀, ΔB = B − B₀:
// the same value, but exactly zero at the start, and small updates survive a bf16 base.
// Sources: LoRA 2106.09685 section 4.1; rsLoRA 2312.03732; PiSSA 2404.02948 section 3.
#pragma once

#include "nn/adapter.h"
#include "nn/ops/low_rank.h"

namespace svtune {

// Files hold a hash of A0 and B0 in place of them.
struct StartHash {
  std::string layer;           // for messages
  bool values_follow = false;  // the hash is filled in later, from a file
};

struct LowRankOptions {
  double scaling = 1.0;  // s
  double dropout = 0.0;  // on the branch's input
  at::ScalarType compute_dtype = at::kFloat;
  double b_rate_ratio = 1.0;  // of B's learning rate to the run's; LoRA+ 2402.12354
  std::optional<StartHash> start_hash = {};
};

class LowRankAdapter final : public Adapter {
 public:
  // A [r, in], B [out, r]; A0, B0 of the same shapes, or undefined. fp32 (fp64 in tests).
  LowRankAdapter(const at::Tensor& A, const at::Tensor& B, LowRankOptions options,
                 at::Tensor A0 = {}, at::Tensor B0 = {});

  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  std::optional<LowRankTerms> low_rank_terms(const at::Tensor& x) override;
  at::Tensor merged_weight(const BaseWeight& base) const override;
  at::Tensor output_bias() const override;
  std::vector<Trainable> trainables() override;
  std::optional<LowRankDelta> low_rank_delta() const override;
  std::optional<LowRankDelta> start_in_base() const override;
  // initial_A, initial_B, or initial_hash [2].
  std::vector<NamedTensor> frozen_state() const override;
  AdapterMemory memory(std::int64_t tokens) const override;
  // Throws ModelError naming the layer when the hash that was filled in is not that of A0 and B0.
  void refresh(const BaseWeight& base) override;
  void begin_micro_batch(bool training, std::uint64_t seed) override;

  std::int64_t rank() const { return A_.size(0); }
  double scaling() const { return options_.scaling; }
  const at::Tensor& A() const { return A_; }
  const at::Tensor& B() const { return B_; }
  // PEFT's lora_bias: an extra trained bias [out] on the branch, multiplied by the scaling.
  void set_branch_bias(const at::Tensor& bias);
  // What multiplies the branch's input in this micro-batch; undefined: nothing.
  at::Tensor dropout_mask(const at::Tensor& x) const;
  bool drops() const { return options_.dropout > 0; }
  bool has_branch_bias() const { return branch_bias_.defined(); }

 private:
  void remake_factors();
  void check_start() const;

  at::Tensor A_, B_, A0_, B0_, branch_bias_;
  at::Tensor start_hash_, own_start_hash_;  // int32 [2]: of the file and of A0, B0; or undefined
  LowRankOptions options_;
  LowRankFactors factors_;
  bool training_ = false;
  std::uint64_t mask_seed_ = 0;
};

}  // namespace svtune
