#if defined(__x86_64__)
#define EASEL_VECTOR_BYTES 64
#define EASEL_TILE_ROWS 12
#include "model/nn/kernels/vector_kernels.h"

namespace easel {
extern const CpuKernels kAvx512Kernels;
const CpuKernels kAvx512Kernels = MakeKernels("avx512");
}  // namespace easel
#endif
