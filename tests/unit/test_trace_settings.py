"""What the settings of traces refuse, and that they name the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.compose.tracing import Tracing, rooms
from mcp_gateway.errors import OperatorError
from mcp_gateway.settings import load
from mcp_gateway.settings_traces import TraceSettings
from mcp_gateway.transport import door


def loaded(tmp_path: Path, **traces: Any) -> TraceSettings:
    config = tmp_path / "gateway.yaml"
    config.write_text(json.dumps({"traces": traces}))
    return load(config).traces


def test_nothing_is_traced_unless_that_is_set(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    tracing = Tracing(settings)
    assert settings.export == "off" and tracing.exporter is None and tracing.answer is door.answer
    assert rooms(settings) == rooms(TraceSettings()) and not rooms(settings).guards


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"endpoint": "http://collector.example.com:4318/v1/traces"}, "network"),
        ({"endpoint": "https://user:pass@collector.example.com/"}, "without credentials"),
        ({"endpoint": "unix:///run/collector"}, "http: or https:"),
        ({"sample": 1.5}, "sample"),
        ({"clients": "trust"}, "clients"),
        ({"headers": {"content-length": "1"}}, "may be set"),
        ({"headers": {"x": "a\r\nb: c"}}, "printable"),
        ({"secret_header": "a b"}, "may be set"),
        ({"network": ["everywhere"]}, "network"),
        ({"exporter": "otlp"}, "exporter"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(OperatorError) as caught:
        loaded(tmp_path, **wrong)
    assert "traces" in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize(
    "right",
    [
        {"endpoint": "https://collector.example.com/v1/traces"},
        {"endpoint": "http://10.0.0.9:4318/v1/traces", "network": ["10.0.0.0/8"]},
        {"endpoint": "http://[::1]:4318/v1/traces"},
        {"headers": {"x-dataset": "gateway"}},
    ],
)
def test_what_is_right_is_taken(tmp_path: Path, right: dict[str, Any]) -> None:
    assert Tracing(loaded(tmp_path, export="otlp", **right)).exporter is not None


def test_a_secret_that_cannot_be_read_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OperatorError):
        Tracing(loaded(tmp_path, export="otlp", secret_file=str(tmp_path / "missing")))
    secret = tmp_path / "secret"
    secret.write_text("Bearer abc")
    secret.chmod(0o644)
    with pytest.raises(OperatorError):
        Tracing(loaded(tmp_path, export="otlp", secret_file=str(secret)))
    secret.chmod(0o600)
    assert Tracing(loaded(tmp_path, export="otlp", secret_file=str(secret))).exporter is not None
