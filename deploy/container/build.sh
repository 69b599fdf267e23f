#!/usr/bin/env bash
# deploy/container/build.sh [cpu|cuda]: builds the image localhost/easel:cpu (or :cuda) without a container daemon, as root.
# Needs buildah, podman and runc of Debian, and debootstrap where there is no BASE.
#
#   BASE=IMAGE    what to build on; otherwise a Debian 12 made by debootstrap, once, as localhost/easel-base
#   PIP_CERT, PIP_INDEX_URL    as pip reads them
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:-cpu}
case "$target" in cpu|cuda) ;; *) echo "usage: build.sh [cpu|cuda]" >&2; exit 2 ;; esac

if [ -z "${BASE:-}" ]; then
  BASE=localhost/easel-base
  if ! buildah inspect --type image "$BASE" >/dev/null 2>&1; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase bookworm "$root/base"
    rm -rf "$root"/base/var/cache/apt/* "$root"/base/var/lib/apt/lists/* "$root"/base/var/log/*
    tar -C "$root/base" -c . | podman import --message "Debian 12, minimal" - "$BASE"
  fi
fi

arguments=(--build-arg "BASE=$BASE" --build-arg "REVISION=$(git describe --tags --always --dirty)")
if [ -n "${PIP_CERT:-}" ]; then  # a file of this machine: lent to the steps that download
  arguments+=(--volume "$PIP_CERT:/run/pip-cert.pem:ro" --build-arg PIP_CERT=/run/pip-cert.pem)
fi
[ -n "${PIP_INDEX_URL:-}" ] && arguments+=(--build-arg "PIP_INDEX_URL=$PIP_INDEX_URL")
# The date of the commit, not of the build: the same sources give the same image.
exec buildah bud --format docker --isolation chroot --pull-never --layers \
  --timestamp "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" --target "$target" -t "localhost/easel:$target" "${arguments[@]}" .
