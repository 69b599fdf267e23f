# easeld and easel with the shipped model. deploy/README.md: "Container".
#   docker build --target cpu  -t easel:cpu  --build-arg REVISION=$(git describe --tags --always) .
#   docker build --target cuda -t easel:cuda --build-arg REVISION=$(git describe --tags --always) .
# BASE: Debian 12, or an image made from it. PIP_CERT, PIP_INDEX_URL: pip's own variables, for a mirror of PyPI.
ARG BASE=debian:12-slim

# LibTorch and the compilers; none of it is in an image but what `cmake --install` takes along.
FROM ${BASE} AS tools-cpu
ARG PIP_CERT
ARG PIP_INDEX_URL
COPY deploy/setup.sh /src/deploy/
RUN /src/deploy/setup.sh --cpu

FROM ${BASE} AS tools-cuda
ARG PIP_CERT
ARG PIP_INDEX_URL
COPY deploy/setup.sh /src/deploy/
RUN /src/deploy/setup.sh --cuda

FROM tools-cpu AS build-cpu
ARG REVISION=unknown
COPY . /src
RUN --mount=type=cache,target=/root/.cache/ccache \
    cmake -S /src -B /build -G Ninja -DBUILD_TESTING=OFF -DEASEL_TRAIN=OFF -DEASEL_CUDA=OFF -DEASEL_REVISION=${REVISION} \
    && cmake --build /build --target easeld easel \
    && cmake --install /build --prefix /opt/easel --strip

FROM tools-cuda AS build-cuda
ARG REVISION=unknown
COPY . /src
RUN --mount=type=cache,target=/root/.cache/ccache \
    cmake -S /src -B /build -G Ninja -DBUILD_TESTING=OFF -DEASEL_TRAIN=OFF -DEASEL_CUDA=ON -DEASEL_REVISION=${REVISION} \
    && cmake --build /build --target easeld easel \
    && cmake --install /build --prefix /opt/easel --strip

# What both images share: the libraries of Debian that the programs ask for, and how they run.
FROM ${BASE} AS runtime
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
       libcivetweb1 libgrpc++1.51 libpng16-16 libprometheus-cpp-core1.0 libspdlog1.10 libturbojpeg0 libutf8proc2 libwebp7 >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
ENV PATH=/opt/easel/bin:/usr/bin:/bin EASEL_LISTEN=0.0.0.0:50051 EASEL_METRICS_LISTEN=0.0.0.0:9464
EXPOSE 50051 9464
# By number, so that an orchestrator can see that it is not root.
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5m CMD ["easel", "health"]
ENTRYPOINT ["easeld"]
LABEL org.opencontainers.image.title="Easel" \
      org.opencontainers.image.description="Serves latent diffusion transformers over gRPC" \
      org.opencontainers.image.version="0.1.0"

# What changes least comes first: LibTorch, the model, the programs. The client library is for compilers, of which there is none.
FROM runtime AS cpu
COPY --from=build-cpu /opt/easel/lib/easel /opt/easel/lib/easel
COPY --from=build-cpu /opt/easel/share /opt/easel/share
COPY --from=build-cpu /opt/easel/bin /opt/easel/bin
ARG REVISION=unknown
LABEL org.opencontainers.image.revision="${REVISION}"

# The driver's own libraries come from the host, by NVIDIA's container toolkit.
FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-cuda /opt/easel/lib/easel /opt/easel/lib/easel
COPY --from=build-cuda /opt/easel/share /opt/easel/share
COPY --from=build-cuda /opt/easel/bin /opt/easel/bin
ARG REVISION=unknown
LABEL org.opencontainers.image.revision="${REVISION}"
