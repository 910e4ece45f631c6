"""Clients of other Python environments, run as scripts there; each prints one JSON object of what it saw."""
