#include "nn/ops/rowwise.h"

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/kernel_choice.h"
#include "nn/ops/reference.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class T>
const T* read(const at::Tensor& t) {
  return static_cast<const T*>(t.const_data_ptr());
}
template <class T>
T* write(const at::Tensor& t) {
  return static_cast<T*>(t.mutable_data_ptr());
}

// Calls body with float or Bf16 as the storage type of `x`.
template <class Body>
void dispatch(const at::Tensor& x, Body&& body) {
  if (x.scalar_type() == at::kFloat) {
    body(float{});
  } else {
    body(kernels::Bf16{});
  }
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& input, const at::Tensor& weight,
                            double eps, bool plus_one) {
    const at::Tensor x = input.contiguous();
    const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
    const std::int64_t width = x.size(-1);
    const std::int64_t rows = x.numel() / width;
    at::Tensor y = at::empty_like(x);
    at::Tensor rstd = at::empty({rows}, x.options().dtype(at::kFloat));
    dispatch(x, [&](auto zero) {
      using T = decltype(zero);
      const kernels::RmsNormArgs<T> args{read<T>(x),
                                         read<float>(w),
                                         write<T>(y),
                                         write<float>(rstd),
                                         width,
                                         static_cast<float>(eps),
                                         plus_one ? 1.0f : 0.0f,
                                         !plus_one};
      at::parallel_for(0, rows, rows_a_task(width), [&](std::int64_t begin, std::int64_t end) {
        kernels::rms_norm_forward(args, begin, end);
      });
    });
    ctx->save_for_backward({x, w, rstd});
    ctx->saved_data["offset"] = plus_one ? 1.0 : 0.0;
    ctx->saved_data["weight_dtype"] = weight.scalar_type();
    ctx->saved_data["weight_grad"] = weight.requires_grad();
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor grad_y = grads[0].contiguous();
    const std::int64_t width = x.size(-1);
    const std::int64_t rows = x.numel() / width;
    const bool weight_grad = ctx->saved_data["weight_grad"].toBool();
    at::Tensor grad_x = at::empty_like(x);
    // Partial sums per fixed slice of rows keep the result independent of the thread count.
    constexpr std::int64_t kRowsPerSlice = 256;
    const std::int64_t slices = (rows + kRowsPerSlice - 1) / kRowsPerSlice;
    at::Tensor partial;
    if (weight_grad) partial = at::zeros({slices, width}, saved[1].options());
    dispatch(x, [&](auto zero) {
      using T = decltype(zero);
      at::parallel_for(0, slices, 1, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t slice = first; slice < last; ++slice) {
          const kernels::RmsNormGradArgs<T> args{
              read<T>(x),
              read<T>(grad_y),
              read<float>(saved[1]),
              read<float>(saved[2]),
              write<T>(grad_x),
              weight_grad ? write<float>(partial) + slice * width : nullptr,
              width,
              static_cast<float>(ctx->saved_data["offset"].toDouble())};
          kernels::rms_norm_backward(args, slice * kRowsPerSlice,
                                     std::min(rows, (slice + 1) * kRowsPerSlice));
        }
      });
    });
    at::Tensor grad_w;
    if (weight_grad) grad_w = partial.sum(0).to(ctx->saved_data["weight_dtype"].toScalarType());
    return {grad_x, grad_w, at::Tensor(), at::Tensor()};
  }
};

// The error function of the exact GELU is LibTorch's, which has it in vectors; fp32 or bf16.
at::Tensor exact_gelu_glu(const at::Tensor& gate, const at::Tensor& up) {
  return at::gelu(gate.to(at::kFloat)).mul_(up).to(gate.scalar_type());
}

// Of gate and up, one after the other, so that fp32 copies of half types do not all live at once.
variable_list exact_gelu_glu_gradients(const at::Tensor& gate, const at::Tensor& up,
                                       const at::Tensor& grad_y) {
  const at::Tensor wide = gate.to(at::kFloat);
  const at::Tensor grad_up = at::gelu(wide).mul_(grad_y).to(up.scalar_type());
  const at::Tensor grad_activated = grad_y.to(at::kFloat) * up;
  return {at::gelu_backward(grad_activated, wide).to(gate.scalar_type()), grad_up};
}

struct Glu : torch::autograd::Function<Glu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate_in,
                            const at::Tensor& up_in, std::int64_t activation) {
    const at::Tensor gate = gate_in.contiguous();
    const at::Tensor up = up_in.contiguous();
    ctx->save_for_backward({gate, up});
    ctx->saved_data["activation"] = activation;
    if (static_cast<Activation>(activation) == Activation::kGelu) return exact_gelu_glu(gate, up);
    at::Tensor y = at::empty_like(gate);
    dispatch(gate, [&](auto zero) {
      using T = decltype(zero);
      const kernels::GluArgs<T> args{read<T>(gate), read<T>(up), write<T>(y),
                                     static_cast<Activation>(activation)};
      at::parallel_for(0, gate.numel(), rows_a_task(1), [&](std::int64_t begin, std::int64_t end) {
        kernels::glu_forward(args, begin, end);
      });
    });
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor grad_y = grads[0].contiguous();
    const auto activation = static_cast<Activation>(ctx->saved_data["activation"].toInt());
    if (activation == Activation::kGelu) {
      variable_list gradients = exact_gelu_glu_gradients(saved[0], saved[1], grad_y);
      gradients.emplace_back();
      return gradients;
    }
    at::Tensor grad_gate = at::empty_like(saved[0]);
    at::Tensor grad_up = at::empty_like(saved[1]);
    dispatch(grad_y, [&](auto zero) {
      using T = decltype(zero);
      const kernels::GluGradArgs<T> args{read<T>(saved[0]),   read<T>(saved[1]), read<T>(grad_y),
                                         write<T>(grad_gate), write<T>(grad_up), activation};
      at::parallel_for(
          0, grad_y.numel(), rows_a_task(1),
          [&](std::int64_t begin, std::int64_t end) { kernels::glu_backward(args, begin, end); });
    });
    return {grad_gate, grad_up, at::Tensor()};
  }
};

// x sigmoid(1.702 x), rounded once: what stands in between is fp32. Saves x.
struct QuickGelu : torch::autograd::Function<QuickGelu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    return reference::activate(x, Activation::kQuickGelu);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor x = ctx->get_saved_variables()[0];
    const at::Tensor steep = x.to(at::kFloat) * reference::kQuickGeluSteepness;
    return {at::silu_backward(grads[0].to(at::kFloat), steep).to(x.scalar_type())};
  }
};

at::Tensor rotate(const at::Tensor& input, const at::Tensor& cos, const at::Tensor& sin,
                  float direction) {
  const at::Tensor x = input.contiguous();
  at::Tensor y = at::empty_like(x);
  dispatch(x, [&](auto zero) {
    using T = decltype(zero);
    const kernels::RopeArgs<T> args{read<T>(x), read<float>(cos), read<float>(sin), write<T>(y),
                                    x.size(1),  x.size(2),        2 * cos.size(1),  direction};
    at::parallel_for(
        0, x.size(0), rows_a_task(x.size(1) * x.size(2)),
        [&](std::int64_t begin, std::int64_t end) { kernels::rope(args, begin, end); });
  });
  return y;
}

struct Rope : torch::autograd::Function<Rope> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cos,
                            const at::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return rotate(x, cos, sin, 1.0f);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    return {rotate(grads[0], saved[0], saved[1], -1.0f), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, const RmsNormSpec& spec) {
  if (!has_row_kernel(x)) return reference::rms_norm(x, weight, spec.eps, spec.plus_one);
  return RmsNorm::apply(x, weight, spec.eps, spec.plus_one);
}

at::Tensor glu(const at::Tensor& gate, const at::Tensor& up, Activation activation) {
  const bool plain = !has_row_kernel(gate) || activation == Activation::kQuickGelu;
  if (plain) return reference::glu(gate, up, activation);
  return Glu::apply(gate, up, static_cast<std::int64_t>(activation));
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  if (activation == Activation::kQuickGelu && has_row_kernel(x)) return QuickGelu::apply(x);
  return reference::activate(x, activation);
}

at::Tensor rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  if (!has_row_kernel(x)) return reference::rope(x, cos, sin);
  return Rope::apply(x, cos, sin);
}

}  // namespace svtune
