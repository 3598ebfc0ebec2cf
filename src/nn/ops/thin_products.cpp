#include "nn/ops/thin_products.h"

#include <algorithm>

#include "libtorch/prelude.h"
#include "nn/kernels/thin_product_kernels.h"

namespace svtune {
namespace {

// Of fewer rows packing a factor costs more than the product, of thicker factors the general
// product is as fast.
constexpr std::int64_t kFewestRows = 32;
constexpr std::int64_t kThickest = 128;
constexpr std::int64_t kOperationsPerTask = 1 << 18;

bool is_plain(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 2 && x.stride(1) == 1;
}

// `thin` is [T, k], `wide` [T, n].
bool has_thin_kernel(const at::Tensor& thin, const at::Tensor& wide) {
  const auto fits = [](std::int64_t width) { return width > 0 && width % kernels::kThinStep == 0; };
  return is_plain(thin) && is_plain(wide) && thin.size(0) >= kFewestRows && fits(thin.size(1)) &&
         fits(wide.size(1)) && thin.size(1) <= kThickest;
}

bool has_thin_kernel(const at::Tensor& thin, const at::Tensor& wide, const at::Tensor& factor) {
  return has_thin_kernel(thin, wide) && factor.is_cpu() && factor.scalar_type() == at::kFloat;
}

at::Tensor panels_of(const at::Tensor& factor, std::int64_t panel) {
  at::Tensor panels = at::empty({factor.numel()}, factor.options());
  kernels::pack_panels({factor.const_data_ptr<float>(), factor.stride(0), factor.stride(1),
                        factor.size(0), factor.size(1), panel, panels.mutable_data_ptr<float>()});
  return panels;
}

// Rows or columns that make a task worth a thread.
std::int64_t lines_a_task(std::int64_t operations_each) {
  return std::max<std::int64_t>(1, kOperationsPerTask / operations_each);
}

}  // namespace

void to_thin(const at::Tensor& target, const at::Tensor& x, const at::Tensor& factor,
             double scale) {
  const at::NoGradGuard no_grad;
  if (!has_thin_kernel(target, x, factor)) {
    at::Tensor out = target;
    at::mm_out(out, x, factor);
    if (scale != 1.0) target.mul_(scale);
    return;
  }
  const at::Tensor panels = panels_of(factor, kernels::kToThinPanel);
  const kernels::ToThinArgs args{x.const_data_ptr<float>(),
                                 panels.const_data_ptr<float>(),
                                 target.mutable_data_ptr<float>(),
                                 x.stride(0),
                                 target.stride(0),
                                 x.size(1),
                                 target.size(1),
                                 static_cast<float>(scale)};
  at::parallel_for(
      0, x.size(0), lines_a_task(args.width * args.thin),
      [&](std::int64_t begin, std::int64_t end) { kernels::to_thin(args, begin, end); });
}

void add_from_thin(const at::Tensor& sum, const at::Tensor& h, const at::Tensor& factor,
                   double scale) {
  const at::NoGradGuard no_grad;
  if (!has_thin_kernel(h, sum, factor)) {
    sum.addmm_(h, factor, 1, scale);
    return;
  }
  const at::Tensor panels = panels_of(factor, kernels::kFromThinPanel);
  const kernels::FromThinArgs args{h.const_data_ptr<float>(),
                                   panels.const_data_ptr<float>(),
                                   sum.mutable_data_ptr<float>(),
                                   h.stride(0),
                                   sum.stride(0),
                                   sum.size(1),
                                   h.size(1),
                                   static_cast<float>(scale)};
  at::parallel_for(
      0, sum.size(0), lines_a_task(args.width * args.thin),
      [&](std::int64_t begin, std::int64_t end) { kernels::add_from_thin(args, begin, end); });
}

at::Tensor thin_gram(const at::Tensor& h, const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  if (!has_thin_kernel(h, x)) return at::mm(h.t(), x);
  at::Tensor y = at::empty({h.size(1), x.size(1)}, x.options());
  const kernels::ThinGramArgs args{h.const_data_ptr<float>(),
                                   x.const_data_ptr<float>(),
                                   y.mutable_data_ptr<float>(),
                                   h.stride(0),
                                   x.stride(0),
                                   x.size(0),
                                   x.size(1),
                                   h.size(1)};
  constexpr std::int64_t kStep = kernels::kThinStep;
  at::parallel_for(0, args.width / kStep, lines_a_task(args.rows * args.thin * kStep),
                   [&](std::int64_t begin, std::int64_t end) {
                     kernels::thin_gram(args, begin * kStep, end * kStep);
                   });
  return y;
}

}  // namespace svtune
