// Custom autograd functions, for the few files that define a gradient by hand. Apart from the
// prelude because these headers are as large as all the operators together.
#pragma once

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/variable.h>
