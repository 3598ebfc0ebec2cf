// The files that hold the same loops for different instruction sets.
#pragma once

namespace svtune::kernels {

struct BlockKernels;

const BlockKernels& portable_block_kernels();
#if defined(__x86_64__)
const BlockKernels& avx2_block_kernels();    // needs AVX2, FMA and F16C
const BlockKernels& avx512_block_kernels();  // needs AVX-512 F, BW, DQ and VL
#endif

}  // namespace svtune::kernels
