// From a dense matrix to QuantStorage, byte for byte as bitsandbytes does it on the CPU.
#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "quant/codebook.h"
#include "quant/kernels/block_kernels.h"
#include "quant/kernels/int8_row_kernels.h"
#include "quant/nested_scales.h"
#include "quant/quantize_again.h"
#include "quant/quantized_matrix.h"
#include "quant/raw_values.h"
#include "quant/task_size.h"

namespace svtune {
namespace {

constexpr float kSmallestAbsmax = 1e-38f;

void check_request(const at::Tensor& weight, const QuantConfig& config) {
  if (!weight.defined() || weight.dim() != 2 || weight.numel() == 0 ||
      !weight.is_floating_point() || !weight.device().is_cpu()) {
    throw std::invalid_argument(
        "[quantize] need a non-empty floating-point matrix [out, in] on the CPU");
  }
  if (config.type == QuantType::kInt8) {
    if (config.scales != ScaleChoice::kAbsmax || config.double_quant) {
      throw std::invalid_argument(
          "[quantize] int8 has one absmax per row: no scale search, no double quantisation");
    }
    return;
  }
  const std::int64_t size = config.block_size;
  if (size < 32 || size > 4096 || (size & (size - 1)) != 0) {
    throw std::invalid_argument("[quantize] got block size " + std::to_string(size) +
                                ", need a power of two from 32 to 4096");
  }
}

[[noreturn]] void throw_not_finite(const at::Tensor& weight) {
  const at::Tensor bad = weight.to(at::kFloat).flatten().isfinite().logical_not().nonzero();
  const std::int64_t at = bad.numel() > 0 ? bad[0][0].item<std::int64_t>() : 0;
  throw ModelError("an entry of the weight is not finite: row " +
                   std::to_string(at / weight.size(1)) + ", column " +
                   std::to_string(at % weight.size(1)));
}

// The last, partial block: bitsandbytes divides there where it multiplies by the reciprocal
// elsewhere, and stores the smallest scale instead of zero. An odd last nibble encodes 0.
void quantize_tail(const kernels::Codebook& book, const float* values, std::int64_t size,
                   std::uint8_t* codes, float& absmax) {
  absmax = kSmallestAbsmax;
  for (std::int64_t i = 0; i < size; ++i) absmax = std::max(absmax, std::abs(values[i]));
  for (std::int64_t i = 0; i < size + size % 2; ++i) {
    const float fraction = i < size ? values[i] / absmax : 0.0f;
    int rank = 0;
    while (fraction > book.bounds[rank]) ++rank;
    codes[i / 2] = static_cast<std::uint8_t>(i % 2 == 0 ? book.order[rank] << 4
                                                        : codes[i / 2] | book.order[rank]);
  }
}

// Scales to try, over absmax. Above 1, large values take the codes next to the last; the list is
// where further candidates gain less than 0.1 % of the error.
constexpr std::array<float, 7> kMultiples = {0.80f, 0.87f, 0.94f, 1.01f, 1.10f, 1.22f, 1.37f};
// What quantising the blocks of one matrix needs.
struct BlockJob {
  const kernels::Codebook& book;
  at::Tensor values;  // contiguous bf16, fp16 or fp32
  std::int64_t block_size;
  std::vector<float> inverses;  // candidates; none: absmax as it is
  bool from_scales;             // `scales` holds candidates
  std::uint8_t* codes;
  float* scales;
};

// Every `stride`-th of them.
std::vector<float> candidates(ScaleChoice choice, std::size_t stride) {
  std::vector<float> inverses;
  if (choice == ScaleChoice::kAbsmax) return inverses;
  for (std::size_t i = 0; i < kMultiples.size(); i += stride) {
    inverses.push_back(1.0f / kMultiples[i]);
    if (choice == ScaleChoice::kSigned) inverses.push_back(-1.0f / kMultiples[i]);
  }
  return inverses;
}

void quantize_range(const BlockJob& job, std::int64_t begin, std::int64_t end) {
  const std::int64_t size = job.block_size;
  std::uint8_t* codes = job.codes + begin * size / 2;
  if (job.inverses.empty() && !job.from_scales) {
    kernels::block_kernels().quantize(job.book, detail::raw_values(job.values, begin * size), size,
                                      end - begin, codes, job.scales + begin);
    return;
  }
  const at::Tensor range =
      job.values.view({-1}).narrow(0, begin * size, (end - begin) * size).to(at::kFloat);
  const kernels::ScaleSearch how{job.inverses.data(),
                                 static_cast<std::int64_t>(job.inverses.size()), job.from_scales};
  kernels::block_kernels().search(job.book, how, range.const_data_ptr<float>(), size, end - begin,
                                  codes, job.scales + begin);
}

// The last, partial block of `size` values: for a search it is filled up with zeros, which have a
// code of their own and cost nothing.
void quantize_last(const BlockJob& job, std::int64_t block, std::int64_t size) {
  const at::Tensor values =
      job.values.view({-1}).narrow(0, block * job.block_size, size).to(at::kFloat);
  std::uint8_t* codes = job.codes + block * job.block_size / 2;
  if (job.inverses.empty() && !job.from_scales) {
    quantize_tail(job.book, values.const_data_ptr<float>(), size, codes, job.scales[block]);
    return;
  }
  const at::Tensor padded = at::zeros({job.block_size});
  padded.narrow(0, 0, size).copy_(values);
  std::vector<std::uint8_t> all(static_cast<std::size_t>(job.block_size / 2));
  const BlockJob alone{job.book,        padded,     job.block_size,    job.inverses,
                       job.from_scales, all.data(), job.scales + block};
  quantize_range(alone, 0, 1);
  std::copy_n(all.begin(), (size + 1) / 2, codes);
}

void quantize_blocks(const BlockJob& job) {
  const std::int64_t count = job.values.numel(), size = job.block_size;
  const std::int64_t whole = count / size;
  at::parallel_for(0, whole, std::max<std::int64_t>(1, kValuesPerTask / size),
                   [&](std::int64_t begin, std::int64_t end) { quantize_range(job, begin, end); });
  if (count % size > 0) quantize_last(job, whole, count % size);
}

void quantize_int8(const at::Tensor& weight, QuantStorage& storage) {
  const std::int64_t rows = weight.size(0), columns = weight.size(1);
  storage.codes = at::empty({rows, columns}, at::kChar);
  storage.absmax = at::empty({rows}, at::kFloat);
  auto* codes = storage.codes.mutable_data_ptr<std::int8_t>();
  auto* absmax = storage.absmax.mutable_data_ptr<float>();
  at::parallel_for(0, rows, std::max<std::int64_t>(1, kValuesPerTask / columns),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       const at::Tensor row = weight.select(0, i).to(at::kFloat);
                       absmax[i] = kernels::quantize_int8_row(row.const_data_ptr<float>(), columns,
                                                              codes + i * columns);
                     }
                   });
}

}  // namespace

namespace {

// Checked values in a type that the kernels read, and storage without tensors yet.
QuantStorage prepare(const at::Tensor& weight, const QuantConfig& config, at::Tensor& values) {
  check_request(weight, config);
  values = weight.detach().contiguous();
  if (values.scalar_type() == at::kDouble) values = values.to(at::kFloat);
  QuantStorage storage;
  storage.type = config.type;
  storage.out_features = weight.size(0);
  storage.in_features = weight.size(1);
  storage.original_dtype = weight.scalar_type();
  return storage;
}

QuantizedMatrix finish(QuantStorage storage, const QuantConfig& config, const at::Tensor& weight) {
  if (!storage.absmax.isfinite().all().item<bool>()) throw_not_finite(weight);
  if (config.double_quant) detail::nest_scales(storage.absmax, storage);
  return QuantizedMatrix(std::move(storage));
}

// `scales` holds candidates unless it is undefined.
QuantizedMatrix quantize_4bit(const at::Tensor& weight, const QuantConfig& config,
                              std::vector<float> inverses, const at::Tensor& scales) {
  at::Tensor values;
  QuantStorage storage = prepare(weight, config, values);
  const kernels::Codebook& book = detail::codebook_of(config.type);
  const std::int64_t count = weight.numel(), size = config.block_size;
  storage.block_size = size;
  storage.codes = at::empty({(count + 1) / 2}, at::kByte);
  storage.map = at::from_blob(const_cast<float*>(book.map), {16}, at::kFloat).clone();
  storage.absmax = scales.defined() ? scales.clone() : at::empty({(count + size - 1) / size});
  quantize_blocks({book, values, size, std::move(inverses), scales.defined(),
                   storage.codes.mutable_data_ptr<std::uint8_t>(),
                   storage.absmax.mutable_data_ptr<float>()});
  return finish(std::move(storage), config, weight);
}

// Of a matrix that has a shape and no values.
QuantizedMatrix quantized_shape(const at::Tensor& weight, const QuantConfig& config) {
  const auto empty = [](std::int64_t size, at::ScalarType dtype) {
    return at::empty({size}, at::TensorOptions().dtype(dtype).device(at::kMeta));
  };
  QuantStorage storage;
  storage.type = config.type;
  storage.out_features = weight.size(0);
  storage.in_features = weight.size(1);
  storage.original_dtype = weight.scalar_type();
  const std::int64_t count = weight.numel();
  if (config.type == QuantType::kInt8) {
    storage.codes = empty(count, at::kChar).view(weight.sizes());
    storage.absmax = empty(weight.size(0), at::kFloat);
    return QuantizedMatrix(std::move(storage));
  }
  storage.block_size = config.block_size;
  storage.codes = empty((count + 1) / 2, at::kByte);
  storage.map = empty(16, at::kFloat);
  const std::int64_t blocks = (count + config.block_size - 1) / config.block_size;
  if (!config.double_quant) {
    storage.absmax = empty(blocks, at::kFloat);
    return QuantizedMatrix(std::move(storage));
  }
  storage.absmax_codes = empty(blocks, at::kByte);
  storage.nested_absmax =
      empty((blocks + detail::kNestedBlock - 1) / detail::kNestedBlock, at::kFloat);
  storage.nested_map = empty(256, at::kFloat);
  return QuantizedMatrix(std::move(storage));
}

}  // namespace

QuantizedMatrix quantize(const at::Tensor& weight, const QuantConfig& config) {
  const c10::NoGradGuard no_grad;
  if (weight.defined() && weight.is_meta() && weight.dim() == 2) {
    return quantized_shape(weight, config);
  }
  if (config.type != QuantType::kInt8) {
    return quantize_4bit(weight, config, candidates(config.scales, 1), {});
  }
  at::Tensor values;
  QuantStorage storage = prepare(weight, config, values);
  quantize_int8(values, storage);
  return finish(std::move(storage), config, weight);
}

namespace detail {

QuantizedMatrix quantize_again(const at::Tensor& weight, const QuantConfig& config,
                               const QuantizedMatrix* before, SearchEffort effort) {
  if (config.type == QuantType::kInt8 || config.scales == ScaleChoice::kAbsmax) {
    return quantize(weight, config);
  }
  const c10::NoGradGuard no_grad;
  std::vector<float> inverses;
  if (effort == SearchEffort::kFull) inverses = candidates(config.scales, 1);
  if (effort == SearchEffort::kQuick && before == nullptr) inverses = candidates(config.scales, 2);
  return quantize_4bit(weight, config, std::move(inverses),
                       before != nullptr ? before->block_scales() : at::Tensor());
}

}  // namespace detail

}  // namespace svtune
