# Built in one stage, run from another: the image holds Python, the locked packages and syncd.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/syncd
# First what changes seldom: this layer is reused until the lock file changes.
COPY requirements/service.txt requirements/
RUN ["/opt/syncd/bin/pip", "install", "--no-cache-dir", "--require-hashes", "-r", "requirements/service.txt"]
COPY pyproject.toml README.md LICENSE ./
COPY syncd syncd
RUN ["/opt/syncd/bin/pip", "install", "--no-cache-dir", "--no-deps", "--no-build-isolation", "."]

FROM python:3.11-slim
COPY --from=build /opt/syncd /opt/syncd
# A user that exists nowhere else, and the one directory that it may write.
RUN ["install", "-d", "-o", "10001", "-g", "10001", "-m", "0700", "/var/lib/syncd"]
ENV PATH=/opt/syncd/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SYNCD_CONFIG=/etc/syncd/syncd.toml
USER 10001:10001
WORKDIR /var/lib/syncd
VOLUME /var/lib/syncd
HEALTHCHECK --interval=1m --timeout=10s --start-period=30s CMD ["syncd", "status"]
ENTRYPOINT ["syncd"]
CMD ["run"]
