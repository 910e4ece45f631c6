"""The first-party door: HTTP API and pages for people; cannot call a tool."""
