#include "nn/ops/decode.h"

#include "libtorch/prelude.h"
#include "nn/kernels/decode_attention.h"

namespace svtune {
namespace {

template <class T>
void run(const at::Tensor& q, const std::vector<KvCache::View>& stored, const AttentionSpec& spec,
         at::Tensor& out) {
  const std::int64_t heads = q.size(1), width = q.size(2), groups = stored[0].keys.size(1);
  const std::int64_t per_group = heads / groups;
  const auto jobs = static_cast<std::int64_t>(stored.size()) * groups;
  at::parallel_for(0, jobs, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scores;
    for (std::int64_t job = begin; job < end; ++job) {
      const std::int64_t s = job / groups, group = job % groups;
      const KvCache::View& view = stored[static_cast<std::size_t>(s)];
      const std::int64_t length = view.keys.size(0);
      const std::int64_t at = (s * heads + group * per_group) * width;
      if (scores.size() < static_cast<std::size_t>(length)) scores.resize(length);
      kernels::DecodeArgs<T> args{};
      args.query = static_cast<const T*>(q.const_data_ptr()) + at;
      args.keys = static_cast<const T*>(view.keys.const_data_ptr()) + group * width;
      args.values = static_cast<const T*>(view.values.const_data_ptr()) + group * width;
      args.out = static_cast<T*>(out.mutable_data_ptr()) + at;
      args.scores = scores.data();
      args.heads = per_group;
      args.head_dim = width;
      args.stride = groups * width;
      args.first = spec.window > 0 ? std::max<std::int64_t>(0, length - spec.window) : 0;
      args.length = length;
      args.scale = static_cast<float>(spec.scale);
      args.softcap = static_cast<float>(spec.softcap);
      kernels::decode_attention(args);
    }
  });
}

}  // namespace

at::Tensor attention_decode(const at::Tensor& q, const std::vector<KvCache::View>& stored,
                            const AttentionSpec& spec) {
  const bool has_kernel = q.is_cpu() && q.size(2) <= 512 &&
                          (q.scalar_type() == at::kFloat || q.scalar_type() == at::kBFloat16);
  if (!has_kernel) {
    std::vector<at::Tensor> rows;
    rows.reserve(stored.size());
    for (std::size_t s = 0; s < stored.size(); ++s) {
      rows.push_back(attention_cached(q.narrow(0, static_cast<std::int64_t>(s), 1), stored[s].keys,
                                      stored[s].values, stored[s].keys.size(0) - 1, spec));
    }
    return at::cat(rows, 0);
  }
  const at::Tensor query = q.contiguous();
  at::Tensor out = at::empty_like(query);
  if (q.scalar_type() == at::kFloat) {
    run<float>(query, stored, spec, out);
  } else {
    run<kernels::Bf16>(query, stored, spec, out);
  }
  return out;
}

}  // namespace svtune
