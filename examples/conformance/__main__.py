"""`python -m examples.conformance [--port N] [--era both|modern|legacy]`: serve the conformance fixtures on 127.0.0.1."""

from __future__ import annotations

import argparse

import uvicorn

from examples.conformance.server import make_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.conformance", description=__doc__)
    parser.add_argument("--port", type=int, default=8102)
    parser.add_argument("--era", choices=["both", "modern", "legacy"], default="both")
    options = parser.parse_args()
    uvicorn.run(
        make_app(options.era),
        host="127.0.0.1",
        port=options.port,
        # It strips the white space around header values, which the suite sends, however it arrives.
        http="h11",
        log_level="warning",
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
