#include "models/backbone.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <vector>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "nn/ops/recompute.h"

namespace svtune {
namespace {

bool trains(Block& block) {
  for (const Linear* layer : linears_of(block)) {
    if (layer->adapter() != nullptr) return true;
  }
  const std::vector<NamedParameter> parameters = parameters_of(block);
  return std::ranges::any_of(
      parameters, [](const NamedParameter& each) { return each.tensor->requires_grad(); });
}

void check_positions(const Batch& batch, std::int64_t positions) {
  if (batch.num_tokens() == 0) return;
  const std::int64_t last = batch.positions.max().item<std::int64_t>();
  if (last < positions) return;
  throw ModelError("a document has " + std::to_string(last + 1) + " tokens, the model has " +
                       std::to_string(positions) + " positions",
                   "Cut the documents, as --max-length does.");
}

// LibTorch looks at each id when it copies the row; only what it found is said in other words.
at::Tensor embedded_words(const Embedding& table, const at::Tensor& ids) {
  try {
    return table.forward(ids);
  } catch (const c10::IndexError&) {
    throw ModelError("a token has the id " + std::to_string(ids.max().item<std::int64_t>()) +
                         ", the model's embedding has " + std::to_string(table.weight().size(0)) +
                         " rows",
                     "Use the tokenizer that belongs to the model.");
  }
}

// Rows of the table of positions. Families that begin behind the padding's id count no token of
// that id, which a text may spell out, and give it the padding's own row.
at::Tensor position_rows(const Batch& batch, std::int64_t first_position) {
  const at::Tensor rows = batch.positions + first_position;
  if (first_position == 0 || batch.num_tokens() == 0) return rows;
  const at::Tensor padding = batch.tokens.eq(first_position - 1);
  if (!padding.any().item<bool>()) return rows;
  std::vector<at::Tensor> each;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const std::int64_t begin = batch.offsets[s], length = batch.offsets[s + 1] - begin;
    const at::Tensor skipped = padding.narrow(0, begin, length).to(at::kLong).cumsum(0);
    each.push_back(rows.narrow(0, begin, length) - skipped);
  }
  return at::cat(each).masked_fill(padding, first_position - 1);
}

// Rows of `table` for the types of tokens; without any, row 0 for each.
at::Tensor embedded_types(const Embedding& table, const at::Tensor& types, std::int64_t tokens) {
  if (!types.defined()) return table.weight().narrow(0, 0, 1).expand({tokens, -1});
  const std::int64_t rows = table.weight().size(0);
  if (types.numel() > 0 && types.max().item<std::int64_t>() >= rows) {
    throw ModelError("a token has type " + std::to_string(types.max().item<std::int64_t>()) +
                         ", the model has types 0 to " + std::to_string(rows - 1),
                     "Use the tokenizer that belongs to the model.");
  }
  return table.forward(types);
}

}  // namespace

at::Tensor InputConvolution::forward(const at::Tensor& x, const at::Tensor& y,
                                     const Pass& pass) const {
  const at::Tensor mixed = dropped(convolution.forward(x, pass.offsets),
                                   pass.dropout.at(pass.dropout.rates.convolution, "convolution"));
  return norm.forward(y + (gelu ? at::gelu(mixed) : at::tanh(mixed)));
}

Kept InputConvolution::kept() const {
  if (!convolution.exists()) return {};
  const at::Tensor& weight = convolution.weight();
  Kept kept{weight.size(0), 1};  // the sum and reciprocals, of the norm
  // Its own gradient needs the joined inputs, and what the activation reads.
  if (weight.requires_grad()) kept.elements += weight.size(1) * weight.size(2) + weight.size(0);
  return kept;
}

Kept InputConvolution::passing() const {
  if (!convolution.exists()) return {};
  const at::Tensor& weight = convolution.weight();
  // Inputs with a row of zeros, tap by tap and joined; output and activation; the matrix.
  const std::int64_t joined = weight.size(1) * weight.size(2);
  return {weight.size(1) + 2 * joined + 2 * weight.size(0), 0, weight.numel()};
}

void InputConvolution::parts(PartVisitor& visit) {
  visit(convolution);
  visit(norm);
}

at::Tensor Backbone::embed(const Batch& batch, at::ScalarType dtype) const {
  if (images) return embedding_norm.forward(images->forward(batch, dtype));
  at::Tensor x = embedded_words(embedding, batch.tokens).to(dtype);
  if (embedding_scale != 1.0) x = x * at::scalar_tensor(embedding_scale, x.options());
  if (type_embedding.exists()) {
    x = x + embedded_types(type_embedding, batch.token_types, x.size(0)).to(dtype);
  }
  if (const auto positions = longest_document()) {
    check_positions(batch, *positions);
    x = x + position_embedding.forward(position_rows(batch, first_position)).to(dtype);
  }
  return embedding_norm.forward(x);
}

std::optional<std::int64_t> Backbone::longest_document() const {
  if (!position_embedding.exists()) return std::nullopt;
  return position_embedding.weight().size(0) - first_position;
}

at::Tensor Backbone::finish(const at::Tensor& hidden) const {
  const at::Tensor x = final_norm.forward(hidden);
  return final_scale == 1.0 ? x : x * final_scale;
}

at::Tensor Backbone::forward(const Batch& batch, at::ScalarType dtype, KvCache* cache,
                             RecomputePlan recompute, const PassDropout& dropout) {
  at::Tensor x = dropped(embed(batch, dtype), dropout.at(dropout.rates.embedding, "embedding"));
  const at::Tensor embedded = input_convolution.convolution.exists() ? x : at::Tensor();
  Pass pass{batch.offsets, {}, cache, &relative, dropout};
  for (const RopeSpec& each : rotations) {
    pass.rotations.push_back(rope_tables(each, batch.positions, batch.offsets));
  }
  std::int64_t left = at::GradMode::is_enabled() ? recompute.blocks : 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (left > 0 && (x.requires_grad() || trains(blocks[i]))) {
      --left;
      x = recomputed(x, [this, i, pass](const at::Tensor& input) {
        return blocks[i].forward(input, i, pass);
      });
    } else {
      x = blocks[i].forward(x, i, pass);
    }
    if (i == 0 && embedded.defined()) x = input_convolution.forward(embedded, x, pass);
  }
  if (cache != nullptr) {
    for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
      cache->advance(static_cast<std::int64_t>(s), batch.offsets[s + 1] - batch.offsets[s]);
    }
  }
  return x;
}

void Backbone::parts(PartVisitor& visit) {
  if (images) images->parts(visit);
  visit(embedding);
  visit(position_embedding);
  visit(type_embedding);
  visit(embedding_norm);
  for (Block& block : blocks) block.parts(visit);
  visit(relative.table);
  visit(relative.norm);
  input_convolution.parts(visit);
  visit(final_norm);
  if (rotary_module) visit(*rotary_module);
}

}  // namespace svtune
