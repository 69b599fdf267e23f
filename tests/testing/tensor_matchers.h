// Tensors compared in GoogleTest assertions, and the golden files that they are compared with.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include "model/io/safetensors.h"

namespace easel {

// Where `actual` and `expected`, of one shape, differ most: "largest difference 0.5 at [1, 2]: 1.5, expected
// 1".
inline std::string LargestDifference(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.numel() == 0) return "no elements";
  const at::Tensor a = actual.cpu().to(at::kDouble).contiguous();
  const at::Tensor e = expected.cpu().to(at::kDouble).contiguous();
  // A NaN on one side counts as the largest difference there is.
  const at::Tensor difference =
      (a - e).abs().masked_fill(a.eq(e).logical_or(a.isnan().logical_and(e.isnan())), 0);
  const int64_t flat = difference.nan_to_num(INFINITY).flatten().argmax().item<int64_t>();
  std::ostringstream out;
  out.precision(9);
  out << "largest difference " << difference.flatten()[flat].item<double>() << " at [";
  int64_t rest = flat;
  int64_t block = a.numel();
  for (int64_t d = 0; d < a.dim(); ++d) {
    block /= a.size(d);
    out << (d ? ", " : "") << rest / block;
    rest %= block;
  }
  out << "]: " << a.flatten()[flat].item<double>() << ", expected " << e.flatten()[flat].item<double>();
  return out.str();
}

// ||actual - expected||₂ <= tolerance · ||expected||₂, computed in float64, and equal shapes. NaN is never
// close.
inline testing::AssertionResult RelativelyClose(const at::Tensor& actual, const at::Tensor& expected,
                                                double tolerance) {
  if (!actual.defined() || !expected.defined()) return testing::AssertionFailure() << "an undefined tensor";
  if (actual.sizes() != expected.sizes()) {
    return testing::AssertionFailure() << "shape " << actual.sizes() << ", expected " << expected.sizes();
  }
  const at::Tensor a = actual.cpu().to(at::kDouble);
  const at::Tensor e = expected.cpu().to(at::kDouble);
  const double error = (a - e).norm().item<double>();
  const double bound = tolerance * e.norm().item<double>();
  if (error <= bound) return testing::AssertionSuccess() << "relative error within " << tolerance;
  return testing::AssertionFailure() << "relative error " << error / e.norm().item<double>() << " > "
                                     << tolerance << "; " << LargestDifference(a, e);
}

// Equal dtype, shape and bits of every element.
inline testing::AssertionResult SameBytes(const at::Tensor& actual, const at::Tensor& expected) {
  if (!actual.defined() || !expected.defined()) return testing::AssertionFailure() << "an undefined tensor";
  if (actual.scalar_type() != expected.scalar_type()) {
    return testing::AssertionFailure() << actual.scalar_type() << ", expected " << expected.scalar_type();
  }
  if (actual.sizes() != expected.sizes()) {
    return testing::AssertionFailure() << "shape " << actual.sizes() << ", expected " << expected.sizes();
  }
  const at::Tensor a = actual.cpu().contiguous();
  const at::Tensor e = expected.cpu().contiguous();
  if (a.nbytes() == 0 || std::memcmp(a.const_data_ptr(), e.const_data_ptr(), a.nbytes()) == 0) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << LargestDifference(a, e);
}

using GoldenTensors = std::shared_ptr<const SafetensorsFile>;

// tests/golden/data/`relative`, for example "autoencoder/kl_shift.safetensors". Throws when it cannot be
// read, which fails the test with the reader's message.
inline GoldenTensors LoadGolden(const std::string& relative) {
  auto file = SafetensorsFile::Open(EASEL_SOURCE_DIR "/tests/golden/data/" + relative);
  if (!file.ok())
    throw std::runtime_error("golden data (tests/golden/make_goldens.py): " + file.status().ToString());
  return *std::move(file);
}

}  // namespace easel
