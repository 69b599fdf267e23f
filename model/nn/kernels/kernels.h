// The arithmetic of a forward on the CPU, where LibTorch's is not fast enough or does not keep a row's bits: products with
// weights packed once, and the operations between them in one pass each. Plain float32 memory; no LibTorch.
//
// Each result element is computed by one fixed sequence of operations, whatever the row count and the place of its row: so a row
// has the same bits alone and in any batch, at any number of rows. (LibTorch's product packs its weights at every call, a
// fifth of a small forward, and below 16 rows its low bits depend on the row count.)
#pragma once

#include <cstdint>

namespace easel {

// Weights of shape (out, in) as the kernels read them: panels of `panel` outputs, the last filled up with zeros,
//   panel 0: w[0..panel)[0], w[0..panel)[1], … w[0..panel)[in − 1]     panel 1: w[panel..2·panel)[0], …
// Every pointer is to float32; rows are contiguous unless a stride says otherwise. Thread-safe: pure functions.
struct CpuKernels {
  const char* name;
  int64_t panel;

  // `packed` has room for ceil(out / panel) · panel · in numbers.
  void (*pack)(const float* weight, int64_t out, int64_t in, float* packed);
  // y (rows, out) = x (rows, in) · weightᵀ + bias (out; null: 0). The terms are added one after another in the order of `in`.
  void (*multiply)(const float* x, int64_t rows, int64_t in, const float* packed, const float* bias, int64_t out, float* y);
  // y = norm(x) · (1 + scale) + shift over the last of (groups, rows, dim); norm: mean 0, variance 1 (biased, plus eps).
  // shift, scale: (groups, dim), groups apart by the stride.
  void (*modulated_norm)(const float* x, int64_t groups, int64_t rows, int64_t dim, const float* shift, const float* scale,
                         int64_t stride, float eps, float* y);
  // y (rows, heads, dim), contiguous = x / sqrt(mean x² + eps) · weight (dim), for each head; x's rows apart by the stride.
  void (*head_norm)(const float* x, int64_t stride, int64_t rows, int64_t heads, int64_t dim, const float* weight, float eps,
                    float* y);
  // y = x + gate · update for (groups, rows, dim); gate: (groups, dim), groups apart by the stride.
  void (*gated_add)(const float* x, const float* update, int64_t groups, int64_t rows, int64_t dim, const float* gate,
                    int64_t stride, float* y);
  // y = gelu(x) in tanh's approximation, n numbers: x / (1 + exp(−2u)) with u = √(2/π) · (x + 0.044715 x³). Each has the same bits at
  // any place.
  void (*gelu)(const float* x, int64_t n, float* y);

  // Pictures are (height, width, channels): channels-last. A 3×3 convolution with stride 1 and padding 1, by Winograd's F(2×2, 3×3)
  // (https://arxiv.org/abs/1509.09308): tiles of 2×2 results, each 16 products over the channels in place of 36.
  // weight: (out, in, 3, 3); `packed` has room for 16 · ceil(out / panel) · panel · in numbers.
  void (*pack_convolution)(const float* weight, int64_t out, int64_t in, float* packed);
  // y (height, width, out) = the convolution of x (height, width, in) + bias (out) + add (as y; null: 0), for `count` of the
  // ceil(height / 2) · ceil(width / 2) tiles from the `first` on. `scratch` has room for 16 · count · (in + out) numbers.
  // `doubled`: x is (height / 2, width / 2, in), and each of its pixels stands for 2×2; that takes 9 of the 16 products. Both sides are
  // even then.
  void (*convolve)(const float* x, int64_t height, int64_t width, int64_t in, bool doubled, const float* packed, const float* bias,
                   const float* add, int64_t out, int64_t first, int64_t count, float* scratch, float* y);
  // Of each channel of x (pixels, channels): Σ x, and Σ (x − mean)² about the mean of these pixels.
  void (*channel_moments)(const float* x, int64_t pixels, int64_t channels, float* sums, float* squares);
  // y = silu(x · scale + shift) for (pixels, channels); silu(v) = v / (1 + exp(−v)).
  void (*scaled_silu)(const float* x, int64_t pixels, int64_t channels, const float* scale, const float* shift, float* y);
};

// Every set that this machine can run, the fastest first; empty where it has neither AVX-512 nor AVX2 with FMA.
const CpuKernels* const* AllCpuKernels();  // ends with null
// The fastest; null where there is none.
inline const CpuKernels* FastestCpuKernels() { return AllCpuKernels()[0]; }

}  // namespace easel
