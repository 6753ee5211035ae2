# The images of the operator. `make images` puts together what they hold (dist/ARCHITECTURE: programs, libraries, lists of their parts)
# and builds them, labelled with version, revision and time; nothing is compiled or fetched in here, so that two builds of a commit are
# the same bytes.
#
#   docker build --target manager --build-arg TARGETARCH=amd64 .
#
# Targets:
#   manager      the operator: one static program on nothing
#   runner       an audit on the CPU: the program, ONNX Runtime and a C library
#   runner-cuda  an audit on NVIDIA GPUs: the program on CUDA and cuDNN, with ONNX Runtime's GPU package

# What the runners stand on: glibc, libstdc++ and certificates, without a shell. hack/images/base.sh makes one of Debian's packages.
ARG RUNNER_BASE=gcr.io/distroless/cc-debian12:nonroot
# CUDA 12 and cuDNN 9, as ONNX Runtime's GPU package wants them.
ARG CUDA_BASE=nvcr.io/nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04

FROM scratch AS manager
ARG TARGETARCH=amd64
COPY dist/${TARGETARCH}/manager dist/${TARGETARCH}/manager.cdx.json /
USER 65532:65532
ENTRYPOINT ["/manager"]
LABEL org.opencontainers.image.title="dataset-audit manager" \
      org.opencontainers.image.description="Kubernetes operator that audits machine-learning datasets for near duplicates" \
      org.opencontainers.image.source="https://github.com/datasetaudit/dataset-audit" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM ${RUNNER_BASE} AS runner
ARG TARGETARCH=amd64
COPY dist/${TARGETARCH}/libonnxruntime.so.1 /usr/lib/onnxruntime/
COPY dist/${TARGETARCH}/runner dist/${TARGETARCH}/runner.cdx.json /
ENV ONNXRUNTIME_LIB=/usr/lib/onnxruntime/libonnxruntime.so.1
USER 65532:65532
ENTRYPOINT ["/runner"]
LABEL org.opencontainers.image.title="dataset-audit runner" \
      org.opencontainers.image.description="Audits a dataset in a pod, on the CPU" \
      org.opencontainers.image.source="https://github.com/datasetaudit/dataset-audit" \
      org.opencontainers.image.licenses="Apache-2.0 AND MIT"

FROM ${CUDA_BASE} AS onnxruntime-gpu
# ONNX Runtime's release archive for CUDA 12, and its SHA-256: no archive is trusted by its name.
ARG ONNXRUNTIME_GPU_URL ONNXRUNTIME_GPU_SHA256
ADD ${ONNXRUNTIME_GPU_URL} /tmp/onnxruntime.tgz
RUN echo "${ONNXRUNTIME_GPU_SHA256}  /tmp/onnxruntime.tgz" | sha256sum --check --strict \
 && mkdir /usr/lib/onnxruntime \
 && tar -xzf /tmp/onnxruntime.tgz -C /usr/lib/onnxruntime --strip-components=2 --wildcards '*/lib/libonnxruntime*.so*'

FROM ${CUDA_BASE} AS runner-cuda
ARG TARGETARCH=amd64
COPY --from=onnxruntime-gpu /usr/lib/onnxruntime /usr/lib/onnxruntime
COPY dist/${TARGETARCH}/runner dist/${TARGETARCH}/runner.cdx.json /
ENV ONNXRUNTIME_LIB=/usr/lib/onnxruntime/libonnxruntime.so
USER 65532:65532
ENTRYPOINT ["/runner"]
LABEL org.opencontainers.image.title="dataset-audit runner for CUDA" \
      org.opencontainers.image.description="Audits a dataset in a pod, on NVIDIA GPUs" \
      org.opencontainers.image.source="https://github.com/datasetaudit/dataset-audit"
