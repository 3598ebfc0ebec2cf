// A network of any supported family: packed tokens or images in, hidden states, losses or logits
// out. It is made of parts (nn/parts.h) that a family builds and names, and knows no adaptation
// method.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "models/arch_spec.h"
#include "models/backbone.h"
#include "models/builder.h"
#include "models/label_head.h"
#include "models/language_head.h"

namespace svtune {

// What a family builds.
struct NetworkParts {
  Backbone backbone;
  std::variant<LanguageHead, DocumentHead, TokenHead> head;  // as ArchSpec::task says
};

class Network {
 public:
  Network(ArchSpec spec, const WeightLoader& load);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  const ArchSpec& spec() const { return spec_; }
  at::ScalarType dtype() const { return dtype_; }

  bool reads_images() const { return spec_.image.has_value(); }
  // Whether it predicts each next word, and so can write text.
  bool is_language_model() const { return spec_.task == HeadTask::kNextToken; }
  // Whether its head has a row for each word: it predicts next words or finds hidden ones.
  bool predicts_words() const { return is_language_model() || spec_.task == HeadTask::kMasked; }
  // Throws ModelError unless it is a language model. log_probs() does not ask: it has an answer for
  // classes too, which ids of words may look like.
  void require_next_words() const;

  // See Backbone::longest_document.
  std::optional<std::int64_t> longest_document() const {
    return parts_.backbone.longest_document();
  }

  // See Backbone::forward. Throws ModelError for a cache where attention goes both ways, for images
  // where the model reads text, and for none where it reads images.
  at::Tensor forward(const Batch& batch, KvCache* cache = nullptr);
  // Final norm and output head on chosen rows [M, hidden] -> logits [M, vocab or labels] in fp32
  // (fp64 for fp64). Throws ModelError when the head is one of documents.
  at::Tensor logits(const at::Tensor& rows);
  // The head's answer to each document, [S, labels] in fp32 (fp64 for fp64); differentiable. Throws
  // ModelError when the head is not one of documents.
  at::Tensor document_logits(const Batch& batch);
  // Sum over what the batch supervises (nn/batch.h) of the head's own loss: -log p(target), or the
  // squared error where the head gives one number; scalar, differentiable. Throws ModelError when
  // the head learns from other targets than the batch has.
  // With `dropout_seed` the model's own dropout is drawn from it, as training does; the gradient
  // belongs to that draw.
  at::Tensor loss(const Batch& batch, std::optional<std::uint64_t> dropout_seed = {});
  // log p(target) per supervised token [M], fp32, no gradient. Throws as logits() does.
  at::Tensor log_probs(const Batch& batch);

  // All linear layers in checkpoint order, those of the output head last (also when it is tied).
  std::vector<Linear*> linears();
  std::vector<NamedParameter> parameters();
  // Those of the output head alone; its last is head().
  std::vector<Linear*> head_linears();
  std::vector<NamedParameter> head_parameters();
  // Whether the head's output reads rows that a RowTransform has changed.
  bool transforms_rows() const;
  // Whether the head reads means over the rows of a document, so that all of them are normed.
  bool averages_rows() const;
  // The paths of all modules, containers before what they contain, as target names match them.
  std::vector<std::string> module_names();
  std::vector<Block>& blocks() { return parts_.backbone.blocks; }
  InputConvolution& input_convolution() { return parts_.backbone.input_convolution; }
  // The layer that gives the logits.
  Linear& head();
  const Linear& head() const;
  // Of an image model there is none.
  Embedding& embedding() { return parts_.backbone.embedding; }
  const Embedding& embedding() const { return parts_.backbone.embedding; }
  // The tensors that turn tokens or images into rows, as parameters() names them.
  std::vector<NamedParameter> input_parameters();
  // Whether the head reads the embedding's tensor. A checkpoint may hold another one, whatever its
  // configuration says.
  bool head_is_tied() const { return spec_.tied_head && !untied_; }
  // Gives the head its own copy, so that one of the two can be trained alone.
  void untie_head() { untied_ = true; }

  // Lets these rows of the embedding, and with it those of a tied head, train apart from it; with
  // `own_head` the same rows of a head of words that is not tied.
  void train_rows(const std::vector<std::int64_t>& ids, bool own_head);
  void drop_rows();
  const TokenRows& own_head_rows() const { return language_head().rows; }

  // Gradients do not depend on it, to the bit; those of a leaf that several blocks share, added to
  // what an earlier pass left, are sums in another order.
  void set_recompute(RecomputePlan plan) { recompute_ = plan; }

  // Of loss() with a seed; at first those of config.json.
  void set_dropout(const DropoutRates& rates) { dropout_ = rates; }
  const DropoutRates& dropout() const { return dropout_; }

 private:
  const Embedding* tied() const { return head_is_tied() ? &embedding() : nullptr; }
  // Throws ModelError when the head is another one.
  LanguageHead& language_head();
  const LanguageHead& language_head() const;
  [[noreturn]] void fail_for_head(const std::string& what) const;
  at::Tensor hidden_states(const Batch& batch, KvCache* cache, const PassDropout& dropout);
  at::Tensor supervised_rows(const Batch& batch, const PassDropout& dropout = {});
  at::Tensor document_rows(const Batch& batch, Pooling pooling, const PassDropout& dropout = {});

  ArchSpec spec_;
  NetworkParts parts_;
  at::ScalarType dtype_ = at::kFloat;
  bool untied_ = false;
  RecomputePlan recompute_;
  DropoutRates dropout_;
};

}  // namespace svtune
