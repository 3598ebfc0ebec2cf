#include "models/feed_forward.h"

#include "libtorch/prelude.h"

namespace svtune {

at::Tensor GatedMlp::forward(const at::Tensor& x) {
  return down.forward(glu(gate.forward(x), up.forward(x), activation));
}

void GatedMlp::parts(PartVisitor& visit) {
  visit(gate);
  visit(up);
  visit(down);
  visit(activation_module);
}

at::Tensor Mlp::forward(const at::Tensor& x) {
  return down.forward(activate(up.forward(x), activation));
}

void Mlp::parts(PartVisitor& visit) {
  visit(up);
  visit(down);
  visit(activation_module);
}

}  // namespace svtune
