# docker build -t convcli .
# docker run --rm -v "$PWD:/work" -u "$(id -u):$(id -g)" convcli apply sample:astronaut -k blur:4 -o soft.png
FROM python:3.13-slim AS build
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim
RUN --mount=from=build,source=/wheels,target=/wheels pip install --no-cache-dir /wheels/*.whl
USER 65534
WORKDIR /work
ENTRYPOINT ["convcli"]
