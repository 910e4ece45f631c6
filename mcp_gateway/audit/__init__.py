"""Say what happened: intent before the call leaves, outcome before the answer does."""

from mcp_gateway.audit.checkpoint_coverage import covered, status, tombstone
from mcp_gateway.audit.entry import Entry
from mcp_gateway.audit.journal import Durability, Journal
from mcp_gateway.audit.outcome import Outcome
from mcp_gateway.audit.query import EVERYTHING, Trail, Wanted
from mcp_gateway.audit.record import Record
from mcp_gateway.audit.sentence import sentence
from mcp_gateway.audit.verify import verify
from mcp_gateway.audit.verify_report import Finding, Kind, Report, Verified

__all__ = [
    "EVERYTHING",
    "Durability",
    "Entry",
    "Finding",
    "Journal",
    "Kind",
    "Outcome",
    "Record",
    "Report",
    "Trail",
    "Verified",
    "Wanted",
    "covered",
    "sentence",
    "status",
    "tombstone",
    "verify",
]
