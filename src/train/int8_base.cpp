#include "train/int8_base.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/errors.h"
#include "base/number_text.h"
#include "io/arithmetic.h"
#include "libtorch/prelude.h"
#include "train/start_check.h"

namespace svtune {
namespace {

// More than a check of the start takes: what int8 changes goes up and down from token to token.
constexpr std::int64_t kMeasuredTokens = 512;

std::int64_t multiply_in_int8(TrainSession& session) {
  const auto tokens = static_cast<std::int64_t>(session.batches->stream().tokens_per_batch());
  Network& net = *session.model.net;
  const Int8Input input = session.options.model.base_compute == BaseCompute::kInt8Columns
                              ? Int8Input::kExactColumns
                              : Int8Input::kTwoParts;
  std::int64_t layers = 0;
  for (Linear* layer : net.linears()) {
    if (layer == &net.head() || !layer->base().defined()) continue;
    const Adapter* adapter = layer->adapter();
    if (adapter != nullptr && !adapter->memory(tokens).reads_base) continue;
    layer->replace_base(layer->base().with_int8_products(input));
    ++layers;
  }
  return layers;
}

// One or two products forward and one backward, beside one each.
std::optional<std::string> speed_warning(const TrainSession& session) {
  const Model& model = session.model;
  const bool two = session.options.model.base_compute == BaseCompute::kInt8;
  const std::vector<ProductShape> shapes = product_shapes(model.spec());
  const Linear& layer = *model.net->linears().front();
  const at::ScalarType compute = model.dtype();
  const at::ScalarType stored =
      layer.base().stored().defined() ? layer.base().stored().scalar_type() : compute;
  const double exact = product_rate(shapes, stored, compute).both();
  const ProductRate rate = int8_product_rate(shapes);
  const double int8 = rate.both() > 0 ? 2 / ((two ? 2 : 1) / rate.forward + 1 / rate.backward) : 0;
  if (int8 > exact) return std::nullopt;
  return "--base-compute int8 is not faster here: its products take " + fixed(exact / int8, 1) +
         " times as long as those in " + dtype_text(compute);
}

}  // namespace

std::optional<Int8Losses> enter_int8(TrainSession& session, const Attached& attached, bool measure,
                                     RunObserver& observer) {
  if (session.options.model.base_compute == BaseCompute::kExact) return std::nullopt;
  std::vector<Batch> documents;
  Int8Losses losses;
  if (measure) {
    documents = start_documents(*session.batches, kMeasuredTokens);
    losses.exact = start_loss(*session.model.net, &attached.adapters, documents);
  }
  losses.layers = multiply_in_int8(session);
  if (losses.layers == 0) {
    throw UsageError("--base-compute int8: no product of this method reads a frozen matrix",
                     "Leave it out, or take a method that trains beside the matrices.");
  }
  if (const auto text = speed_warning(session)) observer.warning(*text);
  if (!measure) return std::nullopt;
  losses.int8 = start_loss(*session.model.net, &attached.adapters, documents);
  observer.int8_checked(losses);
  check_int8_loss(losses);
  return losses;
}

void check_int8_loss(const Int8Losses& losses) {
  const double allowed = kInt8Tolerance * std::max(1.0, std::abs(losses.exact));
  if (std::abs(losses.int8 - losses.exact) <= allowed) return;
  throw RunError("int8 products change the loss before step 1 from " + fixed(losses.exact, 4) +
                     " to " + fixed(losses.int8, 4) + ", by " + change_text(losses) +
                     " (allowed: " + fixed(allowed, 4) + ")",
                 "train with --base-compute exact: this model's matrices or activations have "
                 "outliers that 8 bits do not hold");
}

std::string change_text(const Int8Losses& losses) {
  const double percent = 100 * (losses.int8 / losses.exact - 1);
  return (percent >= 0 ? "+" : "") + fixed(percent, 2) + " %";
}

}  // namespace svtune
