"""`python -m examples.tickets [--port N]`: serve the sample tickets on 127.0.0.1."""

from __future__ import annotations

import argparse

import uvicorn

from examples.tickets.server import make_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.tickets", description=__doc__)
    parser.add_argument("--port", type=int, default=8101)
    port: int = parser.parse_args().port
    uvicorn.run(make_app(), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
