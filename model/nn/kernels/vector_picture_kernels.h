// The kernels of kernels.h over pictures. Included by vector_kernels.h, whose rules hold here too.
namespace easel {
namespace {

// The same arithmetic for a vector of channels and for one that is left over. (Structs: as a template's argument the type itself
// would lose its attributes.)
struct Many {
  using Numbers = Vector;
  static const Vector& At(const float* p) { return *reinterpret_cast<const Vector*>(p); }
  static Vector& At(float* p) { return *reinterpret_cast<Vector*>(p); }
};
struct Single {
  using Numbers = float;
  static const float& At(const float* p) { return *p; }
  static float& At(float* p) { return *p; }
};

constexpr int64_t kTaps = 16;  // products of a tile of F(2×2, 3×3)

void PackConvolution(const float* weight, int64_t out, int64_t in, float* packed) {
  const int64_t padded = (out + kPanel - 1) / kPanel * kPanel;
  for (int64_t o = 0; o < padded; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      double rows[4][3] = {}, taps[4][4];
      for (int c = 0; c < 3 && o < out; ++c) {
        const float* g = weight + (o * in + i) * 9 + c;  // G g
        const double sum = double{g[0]} + g[6];
        rows[0][c] = g[0];
        rows[1][c] = (sum + g[3]) / 2;
        rows[2][c] = (sum - g[3]) / 2;
        rows[3][c] = g[6];
      }
      for (int r = 0; r < 4; ++r) {  // (G g) Gᵀ
        const double sum = rows[r][0] + rows[r][2];
        taps[r][0] = rows[r][0];
        taps[r][1] = (sum + rows[r][1]) / 2;
        taps[r][2] = (sum - rows[r][1]) / 2;
        taps[r][3] = rows[r][2];
      }
      float* place = packed + o / kPanel * kPanel * in + i * kPanel + o % kPanel;
      for (int t = 0; t < kTaps; ++t) place[t * padded * in] = static_cast<float>(taps[t / 4][t % 4]);
    }
  }
}

// Bᵀ d of one column or row of a tile's 4×4 inputs, which are `apart` in d.
template <typename T>
inline void IntoTaps(typename T::Numbers* d, int apart) {
  const typename T::Numbers a = d[0], b = d[apart], c = d[2 * apart], e = d[3 * apart];
  d[0] = a - c;
  d[apart] = b + c;
  d[2 * apart] = c - b;
  d[3 * apart] = b - e;
}

// The taps' inputs for channels [c, c + those of T); the pixels that are null are zero.
template <typename T>
inline void TapsOf(const float* const* pixels, int64_t c, float* taps, int64_t apart) {
  typename T::Numbers d[kTaps];
  for (int p = 0; p < kTaps; ++p) d[p] = pixels[p] != nullptr ? T::At(pixels[p] + c) : typename T::Numbers{};
  for (int i = 0; i < 4; ++i) IntoTaps<T>(d + i, 4);
  for (int i = 0; i < 4; ++i) IntoTaps<T>(d + 4 * i, 1);
  for (int t = 0; t < kTaps; ++t) T::At(taps + t * apart + c) = d[t];
}

// Aᵀ m A of the taps' products: the tile's four results, those that are in the picture.
template <typename T>
inline void ResultsOf(const float* products, int64_t apart, int64_t c, const float* bias, const float* const* add, float* const* y) {
  typename T::Numbers m[kTaps], rows[8];
  for (int t = 0; t < kTaps; ++t) m[t] = T::At(products + t * apart + c);
  for (int i = 0; i < 4; ++i) {
    rows[i] = m[i] + m[4 + i] + m[8 + i];
    rows[4 + i] = m[4 + i] - m[8 + i] - m[12 + i];
  }
  for (int r = 0; r < 2; ++r) {
    const typename T::Numbers* row = rows + 4 * r;
    const typename T::Numbers results[2] = {row[0] + row[1] + row[2], row[1] - row[2] - row[3]};
    for (int i = 0; i < 2; ++i) {
      if (y[2 * r + i] == nullptr) continue;
      typename T::Numbers result = results[i] + T::At(bias + c);
      if (add != nullptr) result += T::At(add[2 * r + i] + c);
      T::At(y[2 * r + i] + c) = result;
    }
  }
}

void Convolve(const float* x, int64_t height, int64_t width, int64_t in, bool doubled, const float* packed, const float* bias,
              const float* add, int64_t out, int64_t first, int64_t count, float* scratch, float* y) {
  const int64_t halved = doubled ? 1 : 0;  // bits that a place in the doubled picture loses in x
  const int64_t across = (width + 1) / 2, padded = (out + kPanel - 1) / kPanel * kPanel;
  float* products = scratch + kTaps * count * in;
  for (int64_t tile = 0; tile < count; ++tile) {
    const int64_t top = (first + tile) / across * 2, left = (first + tile) % across * 2;
    const float* pixels[kTaps];
    for (int p = 0; p < kTaps; ++p) {
      const int64_t row = top + p / 4 - 1, column = left + p % 4 - 1;
      const bool inside = row >= 0 && row < height && column >= 0 && column < width;
      pixels[p] = inside ? x + ((row >> halved) * (width >> halved) + (column >> halved)) * in : nullptr;
    }
    float* taps = scratch + tile * in;
    int64_t c = 0;
    for (; c + kLanes <= in; c += kLanes) TapsOf<Many>(pixels, c, taps, count * in);
    for (; c < in; ++c) TapsOf<Single>(pixels, c, taps, count * in);
  }
  for (int t = 0; t < kTaps; ++t) {
    // The middle two rows and columns of a tile of a doubled picture are the same: their difference is 0.
    if (doubled && (t / 4 == 2 || t % 4 == 2)) {
      for (int64_t i = 0; i < count * out; ++i) products[t * count * out + i] = 0;
      continue;
    }
    Multiply(scratch + t * count * in, count, in, packed + t * padded * in, nullptr, out, products + t * count * out);
  }
  for (int64_t tile = 0; tile < count; ++tile) {
    const int64_t top = (first + tile) / across * 2, left = (first + tile) % across * 2;
    float* to[4];
    const float* added[4];
    for (int p = 0; p < 4; ++p) {
      const int64_t row = top + p / 2, column = left + p % 2, offset = (row * width + column) * out;
      const bool inside = row < height && column < width;
      to[p] = inside ? y + offset : nullptr;
      added[p] = add != nullptr && inside ? add + offset : nullptr;
    }
    const float* const* adds = add != nullptr ? added : nullptr;
    int64_t c = 0;
    for (; c + kLanes <= out; c += kLanes) ResultsOf<Many>(products + tile * out, count * out, c, bias, adds, to);
    for (; c < out; ++c) ResultsOf<Single>(products + tile * out, count * out, c, bias, adds, to);
  }
}

template <typename T>
inline void AddValue(float* sums, const float* x, int64_t c) {
  T::At(sums + c) += T::At(x + c);
}
template <typename T>
inline void AddSquare(float* squares, const float* x, const float* sums, float count, int64_t c) {
  const typename T::Numbers off = T::At(x + c) - T::At(sums + c) / count;
  T::At(squares + c) += off * off;
}

void ChannelMoments(const float* x, int64_t pixels, int64_t channels, float* sums, float* squares) {
  for (int64_t c = 0; c < channels; ++c) sums[c] = squares[c] = 0;
  for (int64_t p = 0; p < pixels; ++p) {
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) AddValue<Many>(sums, x + p * channels, c);
    for (; c < channels; ++c) AddValue<Single>(sums, x + p * channels, c);
  }
  for (int64_t p = 0; p < pixels; ++p) {
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) AddSquare<Many>(squares, x + p * channels, sums, pixels, c);
    for (; c < channels; ++c) AddSquare<Single>(squares, x + p * channels, sums, pixels, c);
  }
}

void ScaledSilu(const float* x, int64_t pixels, int64_t channels, const float* scale, const float* shift, float* y) {
  for (int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      const Vector value = At(x + c) * At(scale + c) + At(shift + c);
      At(y + c) = value / (Splat(1) + Exp(-value));
    }
    for (; c < channels; ++c) {
      const float value = x[c] * scale[c] + shift[c];
      y[c] = value / (1 + Exp(Splat(-value))[0]);
    }
  }
}

}  // namespace
}  // namespace easel
