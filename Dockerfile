# The full image has the C compiler that the compiled part is built with; what runs is slim.
FROM python:3.12 AS build
WORKDIR /opt/footfall
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m pip install --no-cache-dir --require-hashes -r requirements.lock
COPY schemas schemas
COPY agents agents
COPY pipeline pipeline
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
RUN useradd --uid 65532 footfall
USER 65532
ENTRYPOINT ["footfall"]
