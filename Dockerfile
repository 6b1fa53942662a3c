# The image of the automation service and of the monitor that runs beside each build.
#
# Reads nothing but its own files, writes nothing but /tmp, needs no user to exist: it runs as any uid, by default
# 1000, with a read-only root. Equal sources on an equal base give equal files, bytecode included; equal digests as
# well where the builder fixes times (`buildah build --timestamp 0`). BASE_IMAGE: any image with Python 3.11.4 or newer
# as `python`, pip, and libstdc++ (grpcio's); name it by digest where builds have to be repeatable.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS packages
ENV PYTHONHASHSEED=0
COPY requirements/service.txt /service.txt
# Bytecode without times, and never checked against its source: nothing can change in a read-only image.
RUN python -m pip install --no-cache-dir --no-compile --no-deps --require-hashes --target /packages -r /service.txt \
    && python -m compileall -q --invalidation-mode unchecked-hash /packages
COPY automation /app/automation
COPY components /app/components
COPY engine /app/engine
COPY monitor /app/monitor
COPY runtimes /app/runtimes
COPY service /app/service
# What the base lacks is found here, and not when the first pod starts.
RUN python -m compileall -q --invalidation-mode unchecked-hash /app \
    && cd /app && PYTHONPATH=/packages python -Bc "import grpc, engine.kubernetes, monitor.__main__, service.__main__"

FROM ${BASE_IMAGE}
ENV PYTHONPATH=/packages PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=packages /packages /packages
COPY --from=packages /app /app
WORKDIR /app
USER 1000:1000
EXPOSE 8080
CMD ["python", "-m", "service"]
