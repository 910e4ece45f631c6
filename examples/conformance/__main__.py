"""`python -m examples.conformance [--port N]`: serve the conformance fixtures on 127.0.0.1."""

from __future__ import annotations

import argparse

import uvicorn

from examples.conformance.server import make_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.conformance", description=__doc__)
    parser.add_argument("--port", type=int, default=8102)
    port: int = parser.parse_args().port
    uvicorn.run(make_app(), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
