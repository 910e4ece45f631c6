"""`python -m examples.openapi [--port N]`: serve the sample library on 127.0.0.1."""

from __future__ import annotations

import argparse

import uvicorn

from examples.openapi.library import make_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.openapi", description=__doc__)
    parser.add_argument("--port", type=int, default=8104)
    port: int = parser.parse_args().port
    uvicorn.run(make_app(), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
