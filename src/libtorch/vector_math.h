// exp, log, sqrt, tanh and others of whole tensors come from Intel's vector math in LibTorch's
// build for x86. Its first call looks the processor up and stores the answer in two steps without a
// lock (mkl_vml_serv_cpu_detect of MKL 2024.2): a code of the processor, then its place in the
// tables of kernels. A second thread that reads between the two takes the code for a place. On
// Intel's processors with AVX2 or AVX-512 that lies among the kernels of lowest accuracy, whose
// results are off by up to 1.5e-4 of their size: in about one process of a thousand, one thread's
// share of one tensor.
#pragma once

namespace svtune {

// Makes that first call on one thread; other threads that call it wait until it is made. To be
// called before any work on several threads.
void settle_vector_math();

}  // namespace svtune
