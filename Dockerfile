# realtime-harness: load generator, simulator and reports, in one image.
#
#   docker build -t realtime-harness .
#   docker run --rm -p 127.0.0.1:8089:8089 realtime-harness
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build

WORKDIR /src
COPY requirements.txt ./
# The installer itself comes from the lock, too: only uv takes hashes from a constraints file, and so
# can leave out what only development needs.
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.txt > uv.txt \
    && pip install --no-cache-dir --disable-pip-version-check --require-hashes -r uv.txt \
    && python -m venv --without-pip /venv
COPY pyproject.toml ./
RUN uv pip install --no-cache --python /venv --constraint requirements.txt \
    --requirements pyproject.toml --extra speech
COPY README.md LICENSE NOTICE ./
COPY harness harness
COPY locustfiles locustfiles
RUN uv pip install --no-cache --python /venv --no-deps --build-constraint requirements.txt .

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1

# The number, not the name, tells Kubernetes that it is not root.
RUN groupadd --gid 10001 harness \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp harness \
    && install --directory --owner 10001 --group 10001 /results
COPY --from=build /venv /venv
COPY locustfiles /app/locustfiles
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LOCUST_LOCUSTFILE=locustfiles/realtime.py \
    REALTIME_RUN_DIR=/results
WORKDIR /app
USER 10001:10001
VOLUME /results
# Web UI, workers to master, simulator, metrics.
EXPOSE 8089 5557 8765 9646
ENTRYPOINT ["locust"]
