#!/usr/bin/env bash
# deploy/container/build.sh [cpu|cuda]: builds the image localhost/easel:cpu (or :cuda) without a container daemon, as root.
# Needs Debian's buildah and podman, and debootstrap where no BASE is given.
#
#   BASE=IMAGE      what to build on; otherwise Debian 12 as debootstrap makes it, once, kept as localhost/easel-base
#   PREFIX=DIR      a tree that `cmake --install` made on a Debian 12: packed as it is, and nothing is compiled
#   IMAGE=NAME      another name for the image
#   PIP_CERT, PIP_INDEX_URL    as pip reads them
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:-cpu}
case "$target" in cpu|cuda) ;; *) echo "usage: build.sh [cpu|cuda]" >&2; exit 2 ;; esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ -z "${BASE:-}" ]; then
  BASE=localhost/easel-base
  if ! podman image exists "$BASE"; then
    debootstrap --variant=minbase bookworm "$scratch/base"
    rm -rf "$scratch"/base/var/cache/apt/* "$scratch"/base/var/lib/apt/lists/* "$scratch"/base/var/log/*
    tar -C "$scratch/base" -c . | podman import --message "Debian 12, minimal" - "$BASE"
  fi
fi

revision=$(git describe --tags --always --dirty)
# The label once more: buildah 1.28 takes a LABEL from its cache without a look at the ARG in it.
arguments=(--build-arg "BASE=$BASE" --build-arg "REVISION=$revision" --label "org.opencontainers.image.revision=$revision")
if [ -n "${PREFIX:-}" ]; then  # stands in for the stage that compiles
  mkdir -p "$scratch/built/opt"
  cp -a "$PREFIX" "$scratch/built/opt/easel"
  arguments+=(--build-context "build-$target=$scratch/built")
fi
if [ -n "${PIP_CERT:-}" ]; then  # a file of this machine, lent to the steps that download
  arguments+=(--volume "$PIP_CERT:/run/pip-cert.pem:ro" --build-arg PIP_CERT=/run/pip-cert.pem)
fi
[ -z "${PIP_INDEX_URL:-}" ] || arguments+=(--build-arg "PIP_INDEX_URL=$PIP_INDEX_URL")
# Dated by the commit, not by the build.
buildah bud --format docker --isolation chroot --pull-never --layers \
  --timestamp "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" \
  --target "$target" -t "${IMAGE:-localhost/easel:$target}" "${arguments[@]}" .
