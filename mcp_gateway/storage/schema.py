"""The tables. Times are seconds since the epoch (float); ids are those of `model.ids`; `*_json` holds JSON text."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

changes = Table(
    "changes",
    metadata,
    Column("revision", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("actor", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("payload_json", Text, nullable=False),
    sqlite_autoincrement=True,
)

tuples = Table(
    "tuples",
    metadata,
    Column("object", String, primary_key=True),
    Column("relation", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("condition_name", String),
    Column("condition_context_json", Text),
    Index("tuples_subject", "subject"),
)

servers = Table(
    "servers",
    metadata,
    Column("name", String, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("protocol_version", String),
    Column("last_seen_at", Float),
    Column("last_error", String),
)

tools = Table(
    "tools",
    metadata,
    Column("server", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("risk", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("definition_json", Text, nullable=False),
    Column("approved_digest", String),
    Column("approved_by", String),
    Column("approved_at", Float),
    Column("finding", String),
    Column("first_seen_at", Float, nullable=False),
)
"""Whatever servers offer; `kind` is `tool`, `prompt`, `resource` or `template`."""

agents = Table(
    "agents",
    metadata,
    Column("id", String, primary_key=True),
    Column("client_id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("name", String, nullable=False),
    Column("metadata_json", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
)

grants = Table(
    "grants",
    metadata,
    Column("id", String, primary_key=True),
    Column("agent", String, nullable=False),
    Column("audience", String, nullable=False),
    Column("granted_by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("revoked_by", String),
    Index("grants_agent", "agent"),
)

grant_targets = Table(
    "grant_targets",
    metadata,
    Column("grant", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("relation", String, primary_key=True),
    Index("grant_targets_object", "object"),
)
"""What a grant covers; kept when its tuples are gone, so a revoked grant can still be read."""

authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("digest", String, primary_key=True),
    Column("family", String, nullable=False),
    Column("client_id", String, nullable=False),
    Column("user", String, nullable=False),
    Column("redirect_uri", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("resource", String, nullable=False),
    Column("code_challenge", String, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", String, primary_key=True),
    Column("family", String, nullable=False),
    Column("client_id", String, nullable=False),
    Column("user", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("resource", String, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("used_at", Float),
    Index("refresh_tokens_family", "family"),
)

revocations = Table(
    "revocations",
    metadata,
    Column("kind", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("not_before", Float, nullable=False),
    Column("until", Float, nullable=False),
)
"""Tokens of (`family` | `jti` | `user` | `agent`, value) issued before `not_before` are refused; kept until `until`."""

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("digest", String, primary_key=True),
    Column("until", Float, nullable=False),
)

switches = Table(
    "switches",
    metadata,
    Column("object", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("off_at", Float, nullable=False),
    Column("off_by", String, nullable=False),
    Column("on_at", Float),
    Column("on_by", String),
)
"""The last time each thing was switched off; `on_at` is null while it is. Kept, so that what ended then stays ended."""

relays = Table(
    "relays",
    metadata,
    Column("target", String, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("at", Float, nullable=False),
)
"""Up to which revision a relationship server outside has the store's tuples."""
