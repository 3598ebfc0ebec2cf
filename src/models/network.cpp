#include "models/network.h"

#include <set>
#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "nn/row_route.h"

namespace svtune {
namespace {

std::optional<RowRoute> route_of_supervised(const Batch& batch) {
  const std::optional<RowRoute> tokens = route_of_tokens(batch);
  if (!tokens) return std::nullopt;
  return tokens->select(batch.supervised);
}

// The mean of each document's rows, [S, width]; no document is empty.
at::Tensor document_means(const at::Tensor& rows, const std::vector<std::int32_t>& offsets) {
  std::vector<std::int64_t> lengths;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    lengths.push_back(offsets[s + 1] - offsets[s]);
  }
  std::vector<at::Tensor> means;
  for (const at::Tensor& document : at::split_with_sizes(rows, lengths, 0)) {
    means.push_back(document.mean(0));
  }
  return at::stack(means, 0);
}

}  // namespace

Network::Network(ArchSpec spec, const WeightLoader& load)
    : spec_(std::move(spec)), parts_(spec_.build(spec_, Builder(load))), dropout_(spec_.dropout) {
  if (const auto& images = parts_.backbone.images; images && images->class_token.tensor.defined()) {
    dtype_ = load.compute.value_or(images->class_token.tensor.scalar_type());
  }
  const at::Tensor& table = embedding().weight();
  if (!table.defined()) return;
  dtype_ = load.compute.value_or(table.scalar_type());
  untied_ = head().base().quantized() || !head().base().stored().is_alias_of(table);
}

void Network::fail_for_head(const std::string& what) const {
  const char* kinds[] = {"a language model", "a model of labels of documents",
                         "a model of labels of tokens", "a masked language model"};
  const char* kind =
      reads_images() ? "a model of labels of images" : kinds[static_cast<int>(spec_.task)];
  throw ModelError("this " + spec_.family + " is " + kind + ": " + what);
}

void Network::require_next_words() const {
  if (!is_language_model()) fail_for_head("it predicts no next words");
}

Linear& Network::head() {
  return std::visit([](auto& head) -> Linear& { return head.output; }, parts_.head);
}

const Linear& Network::head() const {
  return std::visit([](const auto& head) -> const Linear& { return head.output; }, parts_.head);
}

LanguageHead& Network::language_head() {
  if (auto* head = std::get_if<LanguageHead>(&parts_.head)) return *head;
  fail_for_head("it predicts no tokens");
}

const LanguageHead& Network::language_head() const {
  if (const auto* head = std::get_if<LanguageHead>(&parts_.head)) return *head;
  fail_for_head("it predicts no tokens");
}

at::Tensor Network::forward(const Batch& batch, KvCache* cache) {
  return hidden_states(batch, cache, {});
}

at::Tensor Network::hidden_states(const Batch& batch, KvCache* cache, const PassDropout& dropout) {
  if (cache != nullptr && !is_language_model()) fail_for_head("it writes no text");
  if (batch.images.defined() != reads_images()) {
    fail_for_head(reads_images() ? "it reads no text" : "it reads no images");
  }
  const RouteScope scope(route_of_tokens(batch));
  return parts_.backbone.forward(batch, dtype_, cache, recompute_, dropout);
}

at::Tensor Network::logits(const at::Tensor& rows) {
  const at::Tensor x = parts_.backbone.finish(rows);
  if (auto* tokens = std::get_if<TokenHead>(&parts_.head)) return tokens->logits(x);
  return language_head().logits(x, tied());
}

at::Tensor Network::supervised_rows(const Batch& batch, const PassDropout& dropout) {
  if (batch.document_targets.defined()) fail_for_head("it does not learn documents' labels");
  if (batch.masked != (spec_.task == HeadTask::kMasked)) {
    fail_for_head(batch.masked ? "it finds no hidden words" : "it predicts no next words");
  }
  const at::Tensor x = hidden_states(batch, nullptr, dropout);
  return parts_.backbone.finish(x.index_select(0, batch.supervised));
}

at::Tensor Network::document_rows(const Batch& batch, Pooling pooling, const PassDropout& dropout) {
  std::vector<std::int64_t> first;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    if (batch.offsets[s] == batch.offsets[s + 1]) fail_for_head("one of these has no tokens");
    first.push_back(batch.offsets[s]);
  }
  const at::Tensor x = hidden_states(batch, nullptr, dropout);
  if (pooling == Pooling::kMean) return document_means(parts_.backbone.finish(x), batch.offsets);
  if (pooling != Pooling::kFirst) {
    // Images of one batch have one size.
    const at::Tensor rows =
        parts_.backbone.finish(x).reshape({batch.num_documents(), -1, x.size(1)});
    const std::int64_t ahead = 1 + (spec_.image ? spec_.image->registers : 0);
    const at::Tensor mean = rows.narrow(1, ahead, rows.size(1) - ahead).mean(1);
    return pooling == Pooling::kMeanOfOthers ? mean : at::cat({rows.select(1, 0), mean}, 1);
  }
  const at::Tensor places = at::tensor(first, at::TensorOptions().dtype(at::kLong)).to(x.device());
  return parts_.backbone.finish(x.index_select(0, places));
}

at::Tensor Network::document_logits(const Batch& batch) {
  auto* documents = std::get_if<DocumentHead>(&parts_.head);
  if (documents == nullptr) fail_for_head("it gives none of documents");
  return documents->logits(document_rows(batch, documents->pooling));
}

at::Tensor Network::loss(const Batch& batch, std::optional<std::uint64_t> dropout_seed) {
  const PassDropout dropout{dropout_, dropout_seed};
  if (auto* documents = std::get_if<DocumentHead>(&parts_.head)) {
    if (!batch.document_targets.defined()) fail_for_head("it does not learn tokens");
    return documents->loss(document_rows(batch, documents->pooling, dropout),
                           batch.document_targets, dropout);
  }
  const at::Tensor rows = supervised_rows(batch, dropout);
  const RouteScope scope(route_of_supervised(batch));
  if (auto* tokens = std::get_if<TokenHead>(&parts_.head)) {
    return -tokens->log_probs(rows, batch.targets, dropout).sum();
  }
  return language_head().loss(rows, batch.targets, tied());
}

at::Tensor Network::log_probs(const Batch& batch) {
  const at::NoGradGuard no_grad;
  if (std::holds_alternative<DocumentHead>(parts_.head)) fail_for_head("it predicts no tokens");
  const at::Tensor rows = supervised_rows(batch);
  const RouteScope scope(route_of_supervised(batch));
  if (auto* tokens = std::get_if<TokenHead>(&parts_.head)) {
    return tokens->log_probs(rows, batch.targets);
  }
  return language_head().log_probs(rows, batch.targets, tied());
}

std::vector<Linear*> Network::head_linears() {
  return std::visit([](auto& head) { return linears_of(head); }, parts_.head);
}

std::vector<NamedParameter> Network::head_parameters() {
  return std::visit([](auto& head) { return parameters_of(head); }, parts_.head);
}

bool Network::transforms_rows() const {
  return std::visit([](const auto& head) { return head.transform.has_value(); }, parts_.head);
}

bool Network::averages_rows() const {
  const auto* documents = std::get_if<DocumentHead>(&parts_.head);
  return documents != nullptr && documents->pooling != Pooling::kFirst;
}

std::vector<Linear*> Network::linears() {
  std::vector<Linear*> list = linears_of(parts_.backbone);
  for (Linear* layer : head_linears()) list.push_back(layer);
  return list;
}

void Network::train_rows(const std::vector<std::int64_t>& ids, bool own_head) {
  embedding().rows() = TokenRows(ids, embedding().weight());
  if (own_head && !head_is_tied()) language_head().rows = TokenRows(ids, head().base().dense());
}

void Network::drop_rows() {
  embedding().rows() = {};
  if (auto* head = std::get_if<LanguageHead>(&parts_.head)) head->rows = {};
}

std::vector<NamedParameter> Network::parameters() {
  std::vector<NamedParameter> list = parameters_of(parts_.backbone);
  for (NamedParameter& each : head_parameters()) list.push_back(std::move(each));
  return list;
}

std::vector<NamedParameter> Network::input_parameters() {
  if (auto& images = parts_.backbone.images) return parameters_of(*images);
  return {NamedParameter{embedding().name() + ".weight", &embedding().weight()}};
}

std::vector<std::string> Network::module_names() {
  std::vector<std::string> leaves = leaf_names_of(parts_.backbone);
  for (const std::string& leaf :
       std::visit([](auto& head) { return leaf_names_of(head); }, parts_.head)) {
    leaves.push_back(leaf);
  }
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
