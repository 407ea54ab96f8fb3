# syntax=docker/dockerfile:1
# One image for the API, the worker and the migrations; the command decides which.

FROM python:3.13-slim AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir uv==0.13.9 && uv venv /opt/bihuan
ENV VIRTUAL_ENV=/opt/bihuan
WORKDIR /src
# The dependencies first: they change less often than the program. The lock holds the development tools too, hence
# a constraint and not a list of what to install.
COPY pyproject.toml requirements.lock ./
RUN uv pip install --constraint requirements.lock --requirements pyproject.toml
COPY LICENSE README.m[d] ./
COPY migrations migrations
COPY app app
RUN uv pip install --no-deps .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/bihuan --create-home --shell /usr/sbin/nologin bihuan
COPY --from=build /opt/bihuan /opt/bihuan
ENV PATH=/opt/bihuan/bin:$PATH PYTHONUNBUFFERED=1 BIHUAN_DATA_DIR=/var/lib/bihuan
USER bihuan
WORKDIR /var/lib/bihuan
VOLUME /var/lib/bihuan
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["bihuan", "serve", "--host", "0.0.0.0"]
