// The kernels of kernels.h for one width of vectors. Included by one file an instruction set, which defines EASEL_VECTOR_BYTES
// and EASEL_TILE_ROWS and is compiled for that set. Includes nothing with inline functions of its own: those would be compiled for
// the set too, and the linker might choose that copy for everybody.
#include "model/nn/kernels/kernels.h"

namespace easel {
namespace {

// May be read from and written to any address of a float.
typedef float Vector __attribute__((vector_size(EASEL_VECTOR_BYTES), aligned(4), may_alias));
constexpr int64_t kLanes = EASEL_VECTOR_BYTES / 4;
constexpr int64_t kPanel = 2 * kLanes;           // a tile is two vectors wide, so that a product's latency is hidden
constexpr int64_t kTileRows = EASEL_TILE_ROWS;   // as many as leave registers for a panel's vectors and a factor
constexpr int64_t kDepth = 1024;                 // of a panel at a time: 64 or 128 KiB, which stay in the second-level cache
constexpr int64_t kRows = 20 * kTileRows;        // at a time, which with kDepth numbers each stay there too

inline int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }
inline const Vector& At(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline Vector& At(float* p) { return *reinterpret_cast<Vector*>(p); }
inline Vector Splat(float value) { return value - Vector{}; }

void Pack(const float* weight, int64_t out, int64_t in, float* packed) {
  for (int64_t first = 0; first < out; first += kPanel) {
    const int64_t columns = Min(kPanel, out - first);
    for (int64_t k = 0; k < in; ++k, packed += kPanel) {
      for (int64_t j = 0; j < kPanel; ++j) packed[j] = j < columns ? weight[(first + j) * in + k] : 0;
    }
  }
}

// y[r][0..kPanel) (rows apart by y_stride) = start (null: y itself) + Σ_k x[r][k] · panel[k][0..kPanel).
template <int kTile>
void Tile(const float* x, int64_t x_stride, const float* panel, int64_t depth, const float* start, float* y, int64_t y_stride) {
  Vector left[kTile], right[kTile];
#pragma GCC unroll 16
  for (int r = 0; r < kTile; ++r) {
    const float* from = start != nullptr ? start : y + r * y_stride;
    left[r] = At(from);
    right[r] = At(from + kLanes);
  }
  for (int64_t k = 0; k < depth; ++k, panel += kPanel) {
    const Vector l = At(panel), m = At(panel + kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kTile; ++r) {
      const Vector factor = Splat(x[r * x_stride + k]);
      left[r] += factor * l;
      right[r] += factor * m;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kTile; ++r) {
    At(y + r * y_stride) = left[r];
    At(y + r * y_stride + kLanes) = right[r];
  }
}

using TileFunction = void (*)(const float*, int64_t, const float*, int64_t, const float*, float*, int64_t);
constexpr TileFunction kTiles[] = {nullptr, Tile<1>, Tile<2>, Tile<3>, Tile<4>, Tile<5>, Tile<6>,
#if EASEL_TILE_ROWS > 6
                                   Tile<7>, Tile<8>, Tile<9>, Tile<10>, Tile<11>, Tile<12>,
#endif
};

// One panel's columns of `rows` rows. `start`: kPanel numbers, or null to go on from y.
void MultiplyPanel(const float* x, int64_t rows, int64_t x_stride, const float* panel, int64_t depth, const float* start, float* y,
                   int64_t y_stride) {
  // Tiles of nearly equal height: 64 rows are 6 tiles of 11 and 10, not 5 of 12 and one of 4.
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t begin = rows * i / tiles, end = rows * (i + 1) / tiles;
    kTiles[end - begin](x + begin * x_stride, x_stride, panel, depth, start, y + begin * y_stride, y_stride);
  }
}

void Multiply(const float* x, int64_t rows, int64_t in, const float* packed, const float* bias, int64_t out, float* y) {
  for (int64_t row = 0; row < rows; row += kRows) {
    const int64_t some = Min(kRows, rows - row);
    for (int64_t k = 0; k < in; k += kDepth) {
      const int64_t depth = Min(kDepth, in - k);
      for (int64_t column = 0; column < out; column += kPanel) {
        const int64_t columns = Min(kPanel, out - column);
        const float* x_here = x + row * in + k;
        const float* panel = packed + column * in + k * kPanel;
        float* y_here = y + row * out + column;
        float start[kPanel];
        for (int64_t j = 0; j < kPanel; ++j) start[j] = bias != nullptr && j < columns ? bias[column + j] : 0;
        if (columns == kPanel) {
          MultiplyPanel(x_here, some, in, panel, depth, k == 0 ? start : nullptr, y_here, out);
          continue;
        }
        // The last, narrow panel goes through a tile of its own, so that nothing is written beside y.
        float tile[kTileRows * kPanel];
        for (int64_t r = 0; r < some; r += kTileRows) {
          const int64_t height = Min(kTileRows, some - r);
          for (int64_t i = 0; i < height && k > 0; ++i) {
            for (int64_t j = 0; j < kPanel; ++j) tile[i * kPanel + j] = j < columns ? y_here[(r + i) * out + j] : 0;
          }
          kTiles[height](x_here + r * in, in, panel, depth, k == 0 ? start : nullptr, tile, kPanel);
          for (int64_t i = 0; i < height; ++i) {
            for (int64_t j = 0; j < columns; ++j) y_here[(r + i) * out + j] = tile[i * kPanel + j];
          }
        }
      }
    }
  }
}

float Sum(const Vector& v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

// Σ (x − mean)² and Σ x, a lane a column, what is left over one by one.
float SumOf(const float* x, int64_t dim) {
  Vector sum{};
  int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) sum += At(x + i);
  float total = Sum(sum);
  for (; i < dim; ++i) total += x[i];
  return total;
}
float SumOfSquares(const float* x, int64_t dim, float mean) {
  const Vector center = Splat(mean);
  Vector sum{};
  int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const Vector difference = At(x + i) - center;
    sum += difference * difference;
  }
  float total = Sum(sum);
  for (; i < dim; ++i) total += (x[i] - mean) * (x[i] - mean);
  return total;
}

void ModulatedNorm(const float* x, int64_t groups, int64_t rows, int64_t dim, const float* shift, const float* scale,
                   int64_t stride, float eps, float* y) {
  for (int64_t group = 0; group < groups; ++group, shift += stride, scale += stride) {
    for (int64_t row = 0; row < rows; ++row, x += dim, y += dim) {
      const float mean = SumOf(x, dim) / dim;
      const float factor = 1 / __builtin_sqrtf(SumOfSquares(x, dim, mean) / dim + eps);
      int64_t i = 0;
      for (; i + kLanes <= dim; i += kLanes) {
        At(y + i) = (At(x + i) - Splat(mean)) * Splat(factor) * (Splat(1) + At(scale + i)) + At(shift + i);
      }
      for (; i < dim; ++i) y[i] = (x[i] - mean) * factor * (1 + scale[i]) + shift[i];
    }
  }
}

void HeadNorm(const float* x, int64_t stride, int64_t rows, int64_t heads, int64_t dim, const float* weight, float eps, float* y) {
  for (int64_t row = 0; row < rows; ++row, x += stride) {
    for (int64_t head = 0; head < heads; ++head, y += dim) {
      const float* from = x + head * dim;
      const float factor = 1 / __builtin_sqrtf(SumOfSquares(from, dim, 0) / dim + eps);
      int64_t i = 0;
      for (; i + kLanes <= dim; i += kLanes) At(y + i) = At(from + i) * Splat(factor) * At(weight + i);
      for (; i < dim; ++i) y[i] = from[i] * factor * weight[i];
    }
  }
}

void GatedAdd(const float* x, const float* update, int64_t groups, int64_t rows, int64_t dim, const float* gate, int64_t stride,
              float* y) {
  for (int64_t group = 0; group < groups; ++group, gate += stride) {
    for (int64_t row = 0; row < rows; ++row, x += dim, update += dim, y += dim) {
      int64_t i = 0;
      for (; i + kLanes <= dim; i += kLanes) At(y + i) = At(x + i) + At(gate + i) * At(update + i);
      for (; i < dim; ++i) y[i] = x[i] + gate[i] * update[i];
    }
  }
}

// exp(x) for x from -87 to 88 (beyond: of the nearest of those), to 2 units in the last place. x = n·ln 2 + r with a whole n: the
// sum with 1.5 · 2²³ leaves n in the low bits, from where a shift takes it to the exponent.
inline Vector Exp(Vector x) {
  typedef int Ints __attribute__((vector_size(EASEL_VECTOR_BYTES)));
  const Vector magic = Splat(12582912.0f);
  x = x < Splat(-87.0f) ? Splat(-87.0f) : x;
  x = x > Splat(88.0f) ? Splat(88.0f) : x;
  const Vector shifted = x * Splat(1.44269504f) + magic, n = shifted - magic;
  const Vector r = (x - n * Splat(0.693359375f)) - n * Splat(-2.12194440e-4f);
  constexpr float kCephes[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  Vector power = Splat(1.9875691500e-4f);
  for (const float coefficient : kCephes) power = power * r + Splat(coefficient);
  power = power * r * r + r + Splat(1);
  return (Vector)((Ints)power + ((Ints)shifted << 23));
}

inline Vector GeluOf(Vector x) {
  const Vector minus_2u = x * (x * x * Splat(-0.0713548163f) + Splat(-1.59576912f));
  return x / (Splat(1) + Exp(minus_2u));
}

void Gelu(const float* x, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) At(y + i) = GeluOf(At(x + i));
  if (i == n) return;
  Vector rest{};  // the same arithmetic, so that the place does not show
  for (int64_t j = i; j < n; ++j) rest[j - i] = x[j];
  rest = GeluOf(rest);
  for (int64_t j = i; j < n; ++j) y[j] = rest[j - i];
}

}  // namespace
}  // namespace easel

#include "model/nn/kernels/vector_picture_kernels.h"

namespace easel {
namespace {

constexpr CpuKernels MakeKernels(const char* name) {
  return {name, kPanel, Pack, Multiply, ModulatedNorm, HeadNorm,
          GatedAdd, Gelu, PackConvolution, Convolve, ChannelMoments, ScaledSilu};
}

}  // namespace
}  // namespace easel
