# The locked environment and the checkout; building it ends with `t1t2 doctor`, which says what works.
#   docker build -t t1t2 . && docker run --rm t1t2 make fig1
# With a GPU: docker build --build-arg CUDA=1 -t t1t2:cuda . && docker run --rm --gpus all t1t2:cuda make fig1
FROM python:3.13-slim

# A compiler and a BLAS are what the C backend needs; JAX and Numba bring theirs.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ git libopenblas-dev make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /t1t2
COPY requirements.lock pyproject.toml Makefile README.md LICENSE t1t2_command.py ./
COPY .ci .ci
COPY t1t2_pt t1t2_pt
RUN make environment

ARG CUDA=
RUN if [ -n "$CUDA" ]; then .venv/bin/python -m pip install --no-cache-dir 'jax[cuda13]'; fi

COPY . .
ENV PATH="/t1t2/.venv/bin:$PATH"
RUN t1t2 doctor
CMD ["t1t2", "--help"]
