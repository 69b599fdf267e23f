#!/usr/bin/env bash
# cuda_build_test.sh SOURCE BUILD: model/ with EASEL_CUDA=ON compiles and links against LibTorch's CUDA back end. Needs no GPU.
# Exit 77 (skipped) where the CUDA toolkit is not installed.
set -euo pipefail
source=$1
build=$2
command -v nvcc >/dev/null || [ -e /usr/local/cuda/include/cuda_runtime_api.h ] || { echo "no CUDA toolkit here"; exit 77; }
cmake -S "$source" -B "$build" -G Ninja -DEASEL_CUDA=ON -DEASEL_SERVER=OFF -DEASEL_TRAIN=OFF
cmake --build "$build" --target sampling_tests
# The back end must be asked for by the program itself, or its kernels never register.
readelf -d "$build/tests/sampling_tests" | grep -q 'NEEDED.*libtorch_cuda.so' || { echo "libtorch_cuda.so is not linked"; exit 1; }
