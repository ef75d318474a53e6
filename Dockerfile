# The gateway as a container image. Stage one builds the environment from the lock files, whose hashes are checked;
# stage two holds that environment and Python, and neither pip nor a compiler.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock requirements-build.lock requirements-sbom.lock ./
RUN python -m venv --without-pip /opt/oden-gateway \
 && pip --python /opt/oden-gateway install --require-hashes --only-binary :all: -r requirements.lock \
 && pip install --require-hashes --only-binary :all: -r requirements-build.lock \
 && python -m venv --without-pip /tools \
 && pip --python /tools install --require-hashes --only-binary :all: -r requirements-sbom.lock
# The rest of what .dockerignore lets in. Of git's files these are the few that say which commit, and which tag it has.
COPY . ./
# Says that instead of them, and more exactly: --build-arg COMMIT="$(git describe --tags --match 'v[0-9]*' --always --dirty)"
ARG COMMIT=
RUN if [ -n "$COMMIT" ]; then echo "$COMMIT" > gateway/COMMIT; fi
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && mkdir /doc \
 && packaging/sbom /tools /opt/oden-gateway "$(hatchling version)" /doc/sbom.cdx.json \
 && pip --python /opt/oden-gateway install --no-deps --no-index /dist/*.whl

FROM python:3.13-slim
RUN pip uninstall --yes --root-user-action ignore pip \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/oden-gateway
COPY --from=build /opt/oden-gateway /opt/oden-gateway
# What is in it, with versions and licences.
COPY --from=build /doc /usr/share/doc/oden-gateway
ENV PATH=/opt/oden-gateway/bin:$PATH ODEN_GATEWAY_STATUS__LISTEN=0.0.0.0:8321
USER 10001:10001
VOLUME /var/lib/oden-gateway
EXPOSE 8321
STOPSIGNAL SIGTERM
# Straight to the port, also where `status.tls` is set: a proxy in the environment has no business here.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import http.client as h, ssl\ndef well(kind, **more):\n    try:\n        c = kind('127.0.0.1', 8321, timeout=2, **more)\n        c.request('GET', '/healthz')\n        return c.getresponse().status == 200\n    except (OSError, h.HTTPException):\n        return False\nraise SystemExit(not (well(h.HTTPConnection) or well(h.HTTPSConnection, context=ssl._create_unverified_context())))\n"]
ENTRYPOINT ["oden-gateway"]
CMD ["run"]
