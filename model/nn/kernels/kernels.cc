#include "model/nn/kernels/kernels.h"

namespace easel {

#if defined(__x86_64__)
extern const CpuKernels kAvx512Kernels, kAvx2Kernels;  // kernels_avx512.cc, kernels_avx2.cc
#endif

const CpuKernels* const* AllCpuKernels() {
  struct List {
    const CpuKernels* kernels[3] = {};
    List() {
      int count = 0;
#if defined(__x86_64__)
      if (__builtin_cpu_supports("avx512f")) kernels[count++] = &kAvx512Kernels;
      if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) kernels[count++] = &kAvx2Kernels;
#endif
    }
  };
  static const List list;
  return list.kernels;
}

}  // namespace easel
