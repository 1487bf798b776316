# One image for web, worker and poller; the command says which.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
# The lock comes first: this layer is made again only when it changes.
COPY requirements.lock ./
RUN python3 -m venv /venv \
    && /venv/bin/pip install --require-hashes --no-deps --only-binary=:all: -r requirements.lock \
    && /venv/bin/pip uninstall --yes pip setuptools \
    && find /venv -name '*.po' -delete
COPY . .
# The values are needed to read the settings and are used for nothing.
RUN LOUPE_SECRET_KEY=unused LOUPE_ENCRYPTION_KEYS=unused LOUPE_STATIC_ROOT=/app/collected LOUPE_NO_VENV=1 \
    /venv/bin/python manage.py collectstatic --no-input \
    && /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash dashboard reviewqueue

FROM python:${PYTHON}
ARG VERSION=dev
LABEL org.opencontainers.image.title="Loupe" \
      org.opencontainers.image.description="A review desk for generated posts" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin loupe \
    && install --directory --owner=loupe --group=loupe --mode=750 /data
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LOUPE_NO_VENV=1 \
    LOUPE_BIND=0.0.0.0:8000 \
    LOUPE_DATA_DIR=/data \
    LOUPE_STATIC_ROOT=/app/collected
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
USER 10001:10001
# Everything that is written lies here; the rest of the file system may be read-only.
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "manage.py"]
CMD ["up"]
