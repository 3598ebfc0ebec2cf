#include "linalg/tridiagonal.h"

#include <algorithm>
#include <cmath>

#include "libtorch/prelude.h"
#include "linalg/packed_loops.h"

namespace svtune::detail {
namespace {

constexpr std::int64_t kPanel = 32;        // reflections gathered before the rest is updated
constexpr std::int64_t kUpdateRows = 128;  // rows of the rest updated by one product

// One panel of reflections in the making: v and w of A - v wᵀ - w vᵀ, as rows.
struct Panel {
  at::Tensor v, w;  // [kPanel, n]
  std::int64_t first = 0, size = 0;
  float* v_row(std::int64_t i) { return v.mutable_data_ptr<float>() + i * v.size(1); }
  float* w_row(std::int64_t i) { return w.mutable_data_ptr<float>() + i * w.size(1); }
};

// Makes x[0 .. size) into v with v[0] = 1; returns {β, scale} of H x = β e₁.
std::pair<double, float> reflector(float* x, std::int64_t size) {
  double rest = 0;
  for (std::int64_t i = 1; i < size; ++i) rest += static_cast<double>(x[i]) * x[i];
  const double alpha = x[0];
  x[0] = 1;
  if (rest == 0) return {alpha, 0.0f};
  const double beta = -std::copysign(std::hypot(alpha, std::sqrt(rest)), alpha);
  const auto factor = static_cast<float>(1 / (alpha - beta));
  for (std::int64_t i = 1; i < size; ++i) x[i] *= factor;
  return {beta, static_cast<float>((beta - alpha) / beta)};
}

// Row `column` of A from its diagonal on, brought up to date with the panel.
void update_row(float* row, std::int64_t column, std::int64_t n, Panel& panel) {
  for (std::int64_t t = 0; t < panel.size; ++t) {
    const float v = panel.v_row(t)[column], w = panel.w_row(t)[column];
    add_scaled(-v, panel.w_row(t) + column, row + column, n - column);
    add_scaled(-w, panel.v_row(t) + column, row + column, n - column);
  }
}

// w of the panel's newest reflection v: A v with the panel's pending changes, scaled.
void make_w(const float* a, std::int64_t n, std::int64_t column, float scale, Panel& panel) {
  const std::int64_t begin = column + 1, size = n - begin;
  const float* v = panel.v_row(panel.size) + begin;
  float* w = panel.w_row(panel.size) + begin;
  multiply_symmetric(a + begin * n + begin, n, size, v, w);
  for (std::int64_t t = 0; t < panel.size; ++t) {
    const float* earlier_v = panel.v_row(t) + begin;
    const float* earlier_w = panel.w_row(t) + begin;
    const float along_v = dot(earlier_v, v, size), along_w = dot(earlier_w, v, size);
    add_scaled(-along_w, earlier_v, w, size);
    add_scaled(-along_v, earlier_w, w, size);
  }
  for (std::int64_t i = 0; i < size; ++i) w[i] *= scale;
  add_scaled(-0.5f * scale * dot(w, v, size), v, w, size);
}

// A - Vᵀ W - Wᵀ V for the upper half of the rows and columns behind the panel.
void update_rest(at::Tensor& a, const Panel& panel) {
  const std::int64_t n = a.size(0), begin = panel.first + panel.size;
  const at::Tensor v = panel.v.narrow(0, 0, panel.size), w = panel.w.narrow(0, 0, panel.size);
  const at::Tensor left = at::cat({v, w}), right = at::cat({w, v});
  for (std::int64_t row = begin; row < n; row += kUpdateRows) {
    const std::int64_t rows = std::min(kUpdateRows, n - row);
    at::Tensor part = a.narrow(0, row, rows).narrow(1, row, n - row);
    part.addmm_(left.narrow(1, row, rows).t(), right.narrow(1, row, n - row), 1, -1);
  }
}

// (T - λ I) = P L U with partial pivoting, for solves with two superdiagonals.
class ShiftedTridiagonal {
 public:
  ShiftedTridiagonal(const TridiagonalForm& form, double shift, double tiny)
      : main_(form.diagonal), upper_(form.off_diagonal), lower_(form.off_diagonal) {
    const std::size_t n = main_.size();
    for (double& value : main_) value -= shift;
    upper_.push_back(0);
    second_.assign(n, 0);
    swapped_.assign(n, false);
    for (std::size_t i = 0; i + 1 < n; ++i) eliminate(i, tiny);
    if (main_[n - 1] == 0) main_[n - 1] = tiny;
  }

  void solve(double* b) const {
    const std::size_t n = main_.size();
    for (std::size_t i = 0; i + 1 < n; ++i) {
      if (swapped_[i]) std::swap(b[i], b[i + 1]);
      b[i + 1] -= lower_[i] * b[i];
    }
    for (std::size_t i = n; i-- > 0;) {
      double value = b[i];
      if (i + 1 < n) value -= upper_[i] * b[i + 1];
      if (i + 2 < n) value -= second_[i] * b[i + 2];
      b[i] = value / main_[i];
    }
  }

 private:
  void eliminate(std::size_t i, double tiny) {
    if (std::abs(lower_[i]) > std::abs(main_[i])) {
      swapped_[i] = true;
      std::swap(main_[i], lower_[i]);  // lower_[i] now holds the old pivot, to be eliminated
      std::swap(upper_[i], main_[i + 1]);
      second_[i] = upper_[i + 1];
      upper_[i + 1] = 0;
    }
    if (main_[i] == 0) main_[i] = tiny;
    lower_[i] /= main_[i];
    main_[i + 1] -= lower_[i] * upper_[i];
    upper_[i + 1] -= lower_[i] * second_[i];
  }

  std::vector<double> main_, upper_, second_, lower_;
  std::vector<bool> swapped_;
};

double normalise(double* x, std::size_t size) {
  double largest = 0;
  for (std::size_t i = 0; i < size; ++i) largest = std::max(largest, std::abs(x[i]));
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += (x[i] / largest) * (x[i] / largest);
  const double length = largest * std::sqrt(sum);
  for (std::size_t i = 0; i < size; ++i) x[i] /= length;
  return length;
}

// Takes the parts along rows [from, to) out of row `to`.
void orthogonalise_row(double* rows, std::size_t size, std::size_t from, std::size_t to) {
  double* x = rows + to * size;
  for (std::size_t other = from; other < to; ++other) {
    const double* y = rows + other * size;
    double along = 0;
    for (std::size_t i = 0; i < size; ++i) along += x[i] * y[i];
    for (std::size_t i = 0; i < size; ++i) x[i] -= along * y[i];
  }
}

double norm_of(const TridiagonalForm& form) {
  double largest = 0;
  for (std::size_t i = 0; i < form.diagonal.size(); ++i) {
    const double before = i > 0 ? std::abs(form.off_diagonal[i - 1]) : 0;
    const double behind = i < form.off_diagonal.size() ? std::abs(form.off_diagonal[i]) : 0;
    largest = std::max(largest, std::abs(form.diagonal[i]) + before + behind);
  }
  return largest;
}

}  // namespace

TridiagonalForm tridiagonal_form(const at::Tensor& matrix) {
  const std::int64_t n = matrix.size(0);
  at::Tensor a = matrix.clone(at::MemoryFormat::Contiguous);
  TridiagonalForm form;
  form.reflectors = at::zeros({n - 1, n}, matrix.options());
  float* values = a.mutable_data_ptr<float>();
  float* vectors = form.reflectors.mutable_data_ptr<float>();
  for (std::int64_t first = 0; first < n - 1; first += kPanel) {
    Panel panel{at::zeros({kPanel, n}, matrix.options()), at::zeros({kPanel, n}, matrix.options()),
                first};
    for (std::int64_t column = first; column < std::min(first + kPanel, n - 1); ++column) {
      float* row = values + column * n;
      update_row(row, column, n, panel);
      form.diagonal.push_back(row[column]);
      const auto [beta, scale] = reflector(row + column + 1, n - column - 1);
      form.off_diagonal.push_back(beta);
      form.scales.push_back(scale);
      std::copy_n(row + column + 1, n - column - 1, panel.v_row(panel.size) + column + 1);
      std::copy_n(row + column + 1, n - column - 1, vectors + column * n + column + 1);
      make_w(values, n, column, scale, panel);
      ++panel.size;
    }
    update_rest(a, panel);
  }
  form.diagonal.push_back(values[n * n - 1]);
  return form;
}

at::Tensor rotate_back(const TridiagonalForm& form, const at::Tensor& z) {
  at::Tensor result = z.clone(at::MemoryFormat::Contiguous);
  const std::int64_t n = z.size(0), count = form.reflectors.size(0);
  for (std::int64_t panel = (count - 1) / kPanel; panel >= 0; --panel) {
    const std::int64_t first = panel * kPanel, size = std::min(kPanel, count - first);
    // The product of the panel's reflections is I - Vᵀ M V with a triangular M.
    const at::Tensor v = form.reflectors.narrow(0, first, size).narrow(1, first, n - first);
    const at::Tensor inner = at::mm(v, v.t());
    at::Tensor m = at::zeros({size, size}, z.options());
    for (std::int64_t i = 0; i < size; ++i) {
      const float scale = form.scales[static_cast<std::size_t>(first + i)];
      if (i > 0) {
        m.narrow(0, 0, i).select(1, i).copy_(
            at::mv(m.narrow(0, 0, i).narrow(1, 0, i), inner.narrow(0, 0, i).select(1, i)) * -scale);
      }
      m[i][i] = scale;
    }
    at::Tensor rows = result.narrow(0, first, n - first);
    rows.addmm_(v.t(), at::mm(m, at::mm(v, rows)), 1, -1);
  }
  return result;
}

std::vector<double> largest_eigenvalues(const TridiagonalForm& form, std::int64_t count) {
  constexpr int kHalvings = 48;  // of an interval of twice the norm: to 1e-14 of it
  const auto n = static_cast<std::int64_t>(form.diagonal.size());
  const double bound = norm_of(form);
  std::vector<double> squares;
  squares.reserve(form.off_diagonal.size());
  for (const double value : form.off_diagonal) squares.push_back(value * value);
  std::vector<double> values;
  for (std::int64_t first = 0; first < count; first += kSturmLanes) {
    double low[kSturmLanes], high[kSturmLanes], middle[kSturmLanes];
    std::int64_t below[kSturmLanes];
    std::fill_n(low, kSturmLanes, -bound);
    std::fill_n(high, kSturmLanes, bound);
    for (int halving = 0; halving < kHalvings; ++halving) {
      for (std::int64_t i = 0; i < kSturmLanes; ++i) middle[i] = 0.5 * (low[i] + high[i]);
      count_below(form.diagonal.data(), squares.data(), n, middle, below);
      for (std::int64_t i = 0; i < kSturmLanes; ++i) {
        // The wanted one is the (first + i)-th from the top.
        (n - below[i] > first + i ? low[i] : high[i]) = middle[i];
      }
    }
    for (std::int64_t i = 0; i < std::min(kSturmLanes, count - first); ++i) {
      values.push_back(0.5 * (low[i] + high[i]));
    }
  }
  return values;
}

at::Tensor tridiagonal_eigenvectors(const TridiagonalForm& form,
                                    const std::vector<double>& values) {
  constexpr double kCluster = 1e-6;  // of the norm: closer ones are made orthogonal explicitly
  constexpr int kSolves = 3;
  const std::size_t n = form.diagonal.size();
  const double norm = std::max(norm_of(form), 1e-200);
  at::Tensor vectors = at::empty(
      {static_cast<std::int64_t>(values.size()), static_cast<std::int64_t>(n)}, at::kDouble);
  double* rows = vectors.mutable_data_ptr<double>();
  std::size_t cluster = 0;  // where the current one begins
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (k > 0 && values[k - 1] - values[k] > kCluster * norm) cluster = k;
    // Members of a cluster need different shifts, or all solves would find the same vector.
    const double apart = static_cast<double>(k - cluster) * 4e-16 * norm;
    const ShiftedTridiagonal shifted(form, values[k] - apart, 1e-16 * norm);
    double* x = rows + k * n;
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = 1 + 0.5 * std::sin(static_cast<double>((i + 1) * (k + 1)));
    }
    for (int solve = 0; solve < kSolves; ++solve) {
      normalise(x, n);
      shifted.solve(x);
      normalise(x, n);
      orthogonalise_row(rows, n, cluster, k);
    }
    normalise(x, n);
  }
  return vectors.t();
}

LeadingEigenpairs leading_eigenpairs(const at::Tensor& matrix, std::int64_t count) {
  const TridiagonalForm form = tridiagonal_form(matrix);
  LeadingEigenpairs pairs;
  pairs.values = largest_eigenvalues(form, count + 1);
  const std::vector<double> wanted(pairs.values.begin(), pairs.values.end() - 1);
  pairs.vectors = rotate_back(form, tridiagonal_eigenvectors(form, wanted).to(at::kFloat));
  return pairs;
}

}  // namespace svtune::detail
