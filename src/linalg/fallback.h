// Decompositions that must not fail: attempts in order of price, each of which may refuse a
// matrix (its result does not pass a check) or not converge. What was given up is reported.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/errors.h"

namespace svtune::detail {

template <class Result>
struct Attempt {
  std::string name;
  std::function<std::optional<Result>()> run;  // nullopt: refused; may throw c10::LinAlgError
};

// The result of the first attempt that succeeds; Result has a string `given_up`, which then
// begins with the attempts before it ("gram (fp32) refused, gesdd did not converge") and is empty
// in the usual case. Throws ModelError when none succeeds.
template <class Result>
Result first_success(std::span<const Attempt<Result>> attempts) {
  std::string given_up;
  for (const Attempt<Result>& attempt : attempts) {
    const std::string separator = given_up.empty() ? "" : ", ";
    try {
      if (std::optional<Result> found = attempt.run()) {
        found->given_up = given_up + (found->given_up.empty() ? "" : separator + found->given_up);
        return std::move(*found);
      }
      given_up += separator + attempt.name + " refused";
    } catch (const c10::LinAlgError&) {
      given_up += separator + attempt.name + " did not converge";
    }
  }
  throw ModelError(
      "no singular value decomposition converged: " + given_up,
      "The weight is likely damaged; download the checkpoint again. If it is sound, the "
      "linear algebra library fails on this processor: try --threads 1.");
}

struct SvdFactors {
  at::Tensor U, S, V;    // fp64: [m, n], [n] descending, [k, n] with n = min(m, k)
  std::string given_up;  // usually empty
};

// gesdd in fp64, and one-sided Jacobi rotations should it not converge.
SvdFactors dense_svd(const at::Tensor& matrix);

// One-sided Jacobi rotations in fp64 (Hestenes 1958; de Rijk 1989): slow, and converging where
// bidiagonal iterations do not. Throws c10::LinAlgError after 60 sweeps.
SvdFactors jacobi_svd(const at::Tensor& matrix);

}  // namespace svtune::detail
