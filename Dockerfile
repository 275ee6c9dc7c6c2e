FROM python:3.12-slim
WORKDIR /opt/footfall
COPY requirements.lock pyproject.toml README.md ./
RUN python -m pip install --no-cache-dir --require-hashes -r requirements.lock
COPY schemas schemas
COPY agents agents
COPY pipeline pipeline
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation . && useradd --uid 65532 footfall
USER 65532
ENTRYPOINT ["footfall"]
