"""The three answers to a relationship question, and what bounds the way to one."""

from __future__ import annotations

from mcp_gateway.authorization.engine.conditions import Undecidable

NO, YES, CYCLE = 0, 1, 2
"""CYCLE is a no that leaned on itself: inside `but not` it denies on either side."""

MAX_DEPTH = 25
"""Hops from object to object, as OpenFGA's default."""

MAX_STEPS = 50_000
"""Relations and tuples looked at for one question: well under a tenth of a second."""


class TooComplex(Undecidable):
    """The question goes deeper, or wider, than we look."""

    def __init__(self) -> None:
        super().__init__("the question is too complex")
