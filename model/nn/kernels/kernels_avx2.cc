#if defined(__x86_64__)
#define EASEL_VECTOR_BYTES 32
#define EASEL_TILE_ROWS 6
#include "model/nn/kernels/vector_kernels.h"

namespace easel {
extern const CpuKernels kAvx2Kernels;
const CpuKernels kAvx2Kernels = MakeKernels("avx2");
}  // namespace easel
#endif
