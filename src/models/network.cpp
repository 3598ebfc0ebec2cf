#include "models/network.h"

#include <set>
#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {

Network::Network(ArchSpec spec, const WeightLoader& load)
    : spec_(std::move(spec)), parts_(spec_.build(spec_, Builder(load))) {
  const at::Tensor& table = embedding().weight();
  if (!table.defined()) return;
  dtype_ = load.compute.value_or(table.scalar_type());
  untied_ = head().base().quantized() || !head().base().stored().is_alias_of(table);
}

at::Tensor Network::forward(const Batch& batch, KvCache* cache) {
  return parts_.backbone.forward(batch, dtype_, cache, recompute_);
}

at::Tensor Network::logits(const at::Tensor& rows) {
  return parts_.head.logits(parts_.backbone.final_norm.forward(rows), tied());
}

at::Tensor Network::supervised_rows(const Batch& batch) {
  return parts_.backbone.final_norm.forward(forward(batch).index_select(0, batch.supervised));
}

at::Tensor Network::document_logits(const Batch&) {
  throw ModelError("a " + spec_.family + " language model gives no logits of documents");
}

at::Tensor Network::loss(const Batch& batch) {
  if (batch.document_targets.defined()) {
    throw ModelError("a " + spec_.family +
                     " language model learns tokens, not labels of documents");
  }
  return parts_.head.loss(supervised_rows(batch), batch.targets, tied());
}

at::Tensor Network::log_probs(const Batch& batch) {
  const at::NoGradGuard no_grad;
  return parts_.head.log_probs(supervised_rows(batch), batch.targets, tied());
}

std::vector<Linear*> Network::linears() {
  std::vector<Linear*> list = linears_of(parts_.backbone);
  list.push_back(&head());
  return list;
}

void Network::train_rows(const std::vector<std::int64_t>& ids, bool own_head) {
  embedding().rows() = TokenRows(ids, embedding().weight());
  if (own_head && !head_is_tied()) parts_.head.rows = TokenRows(ids, head().base().dense());
}

void Network::drop_rows() { embedding().rows() = parts_.head.rows = {}; }

std::vector<NamedParameter> Network::parameters() { return parameters_of(parts_.backbone); }

std::vector<std::string> Network::module_names() {
  std::vector<std::string> leaves = leaf_names_of(parts_.backbone);
  leaves.push_back(head().name());
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const std::string& leaf : leaves) {
    for (std::size_t dot = leaf.find('.'); dot != std::string::npos;
         dot = leaf.find('.', dot + 1)) {
      if (seen.insert(leaf.substr(0, dot)).second) names.push_back(leaf.substr(0, dot));
    }
    if (seen.insert(leaf).second) names.push_back(leaf);
  }
  return names;
}

}  // namespace svtune
