#include "nn/kv_cache.h"

#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr std::int64_t kFirstCapacity = 128;  // tokens

void reserve(at::Tensor& buffer, const at::Tensor& like, std::int64_t used, std::int64_t needed) {
  if (buffer.defined() && buffer.size(0) >= needed) return;
  std::int64_t capacity = buffer.defined() ? buffer.size(0) : kFirstCapacity;
  while (capacity < needed) capacity *= 2;
  at::Tensor grown = at::empty({capacity, like.size(1), like.size(2)}, like.options());
  if (used > 0) grown.narrow(0, 0, used).copy_(buffer.narrow(0, 0, used));
  buffer = std::move(grown);
}

}  // namespace

KvCache::KvCache(std::int64_t layers, std::int64_t sequences)
    : buffers_(static_cast<std::size_t>(layers),
               std::vector<Buffer>(static_cast<std::size_t>(sequences))),
      lengths_(static_cast<std::size_t>(sequences), 0) {}

KvCache::View KvCache::append(std::int64_t layer, std::int64_t sequence, const at::Tensor& k,
                              const at::Tensor& v) {
  Buffer& buffer = buffers_.at(layer).at(sequence);
  const std::int64_t past = lengths_[sequence], total = past + k.size(0);
  reserve(buffer.keys, k, past, total);
  reserve(buffer.values, v, past, total);
  buffer.keys.narrow(0, past, k.size(0)).copy_(k);
  buffer.values.narrow(0, past, v.size(0)).copy_(v);
  return {buffer.keys.narrow(0, 0, total), buffer.values.narrow(0, 0, total)};
}

std::int64_t KvCache::length(std::int64_t sequence) const { return lengths_.at(sequence); }

void KvCache::advance(std::int64_t sequence, std::int64_t tokens) {
  lengths_.at(sequence) += tokens;
}

void KvCache::keep(const std::vector<std::int64_t>& sequences) {
  const auto pick = [&](auto& list) {
    std::remove_reference_t<decltype(list)> kept;
    for (const std::int64_t s : sequences) kept.push_back(list.at(s));
    list = std::move(kept);
  };
  for (auto& layer : buffers_) pick(layer);
  pick(lengths_);
}

}  // namespace svtune
