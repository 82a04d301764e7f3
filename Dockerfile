# Copyright The apikey-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Two static programs on an image without a shell, the operator (/manager) and the verifier (/verifier): they run as a user
# that is not root, on a root filesystem that is read-only, and write no files. Other platforms need no emulation: Go compiles for them.
#   docker build -t IMAGE .
#   docker buildx build --platform linux/amd64,linux/arm64 -t IMAGE .
# Both images are pinned by the digest of their index, which covers all platforms; .github/dependabot.yml proposes newer ones.
FROM --platform=$BUILDPLATFORM golang:1.26.5@sha256:3aff6657219a4d9c14e27fb1d8976c49c29fddb70ba835014f477e1c70636647 AS build
WORKDIR /src

# The modules change less often than the code: a layer of their own.
COPY go.mod go.sum ./
RUN go mod download

COPY api/ api/
COPY cmd/ cmd/
COPY internal/ internal/

ARG TARGETOS
ARG TARGETARCH
# What --version prints: the build context has no Git history.
ARG VERSION=
ARG COMMIT=
RUN info=github.com/apikey-operator/apikey-operator/internal/buildinfo && \
    ldflags="-s -w -X $info.version=$VERSION -X $info.commit=$COMMIT" && \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath -ldflags "$ldflags" -o /out/manager ./cmd && \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath -ldflags "$ldflags" -o /out/verifier ./cmd/verifier

# 65532 is the user "nonroot" of this image. By number, so that runAsNonRoot can be checked without reading /etc/passwd.
FROM gcr.io/distroless/static-debian13:nonroot@sha256:f7f8f729987ad0fdf6b05eeeae94b26e6a0f613bdf46feea7fc40f7bd72953e6
COPY --from=build /out/manager /out/verifier /
USER 65532:65532
ENTRYPOINT ["/manager"]
