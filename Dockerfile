# docker build -t ml-in-genomics .        (add --build-arg COMMIT=$(git rev-parse HEAD) to have it named in reports)
# docker run --rm -p 8888:8888 ml-in-genomics                     JupyterLab; open the address with the token that it prints
# docker run --rm -v "$PWD/out:/home/learner/out" ml-in-genomics course run --out /home/learner/out/run
FROM docker.io/library/python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 learner && python -m venv /opt/course
ENV PATH=/opt/course/bin:$PATH PYTHONUNBUFFERED=1

COPY requirements.lock /tmp/requirements.lock
RUN pip install --no-cache-dir --quiet uv \
    && uv pip sync --quiet --no-cache --python /opt/course/bin/python --require-hashes /tmp/requirements.lock \
    && rm /tmp/requirements.lock

WORKDIR /home/learner/course
COPY --chown=learner:learner . .
RUN chown learner:learner . && pip install --no-cache-dir --quiet --no-deps --no-build-isolation --editable .

ARG COMMIT=unknown
ENV COURSE_COMMIT=$COMMIT
USER learner
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--notebook-dir=notebooks"]
