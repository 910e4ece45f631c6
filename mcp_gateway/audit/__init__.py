"""Say what happened: intent before the call leaves, outcome before the answer does."""

from mcp_gateway.audit.entry import Entry
from mcp_gateway.audit.journal import Durability, Journal
from mcp_gateway.audit.outcome import Outcome
from mcp_gateway.audit.query import EVERYTHING, Trail, Wanted
from mcp_gateway.audit.record import Record
from mcp_gateway.audit.sentence import sentence
from mcp_gateway.audit.verify import Break, Verified, verify

__all__ = [
    "EVERYTHING",
    "Break",
    "Durability",
    "Entry",
    "Journal",
    "Outcome",
    "Record",
    "Trail",
    "Verified",
    "Wanted",
    "sentence",
    "verify",
]
