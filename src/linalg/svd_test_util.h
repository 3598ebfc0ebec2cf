// Matrices with known spectra and comparisons with LAPACK's gesdd in fp64.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "linalg/svd.h"

namespace svtune::testing {

struct ReferenceSvd {
  at::Tensor U, S, V;  // fp64: [out, n], [n], [in, n]
};

// gesdd in fp64.
ReferenceSvd reference_svd(const at::Tensor& weight);

at::Tensor random_normal(at::IntArrayRef shape, std::uint64_t seed);  // fp64

// U diag(sigma) Vᵀ in fp64 with random orthonormal U [out, k], V [in, k]; sigma is [k].
at::Tensor with_spectrum(std::int64_t out, std::int64_t in, const at::Tensor& sigma,
                         std::uint64_t seed);

// What the weights of language models look like: a random bulk and 128 slowly falling
// spikes above it. bf16.
at::Tensor model_like(std::int64_t out, std::int64_t in, std::uint64_t seed);

// ‖USVᵀ − reference's triplets [first, first + r)‖ / ‖the latter‖, in fp64.
double product_distance(const TruncatedSvd& svd, const ReferenceSvd& reference,
                        std::int64_t first = 0);

// Largest entry of |QᵀQ − I|.
double orthogonality_error(const at::Tensor& Q);

// ‖USVᵀ − W‖ / ‖W‖ in fp64.
double reconstruction_error(const at::Tensor& U, const at::Tensor& S, const at::Tensor& V,
                            const at::Tensor& weight);

}  // namespace svtune::testing
