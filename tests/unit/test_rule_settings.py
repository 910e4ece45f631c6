"""What the settings say of observing and of proxies: strict, and off unless somebody says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway import settings
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import Mode


def _loaded(folder: Path, text: str) -> settings.Settings:
    file = folder / "gateway.yaml"
    file.write_text(text, encoding="utf-8")
    return settings.load(file)


def test_nothing_is_observed_and_no_proxy_trusted_by_default(tmp_path: Path) -> None:
    made = _loaded(tmp_path, "{}")
    assert (made.mode, made.trusted_proxies) == (Mode.ENFORCE, [])


def test_both_can_be_said(tmp_path: Path) -> None:
    made = _loaded(tmp_path, "mode: observe\ntrusted_proxies: [10.0.0.0/8, 'fd00::/8', 192.0.2.1]\n")
    assert (made.mode, made.trusted_proxies) == (Mode.OBSERVE, ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"])


@pytest.mark.parametrize("text", ["mode: watch", "trusted_proxies: [10.0.0.1/8]", "trusted_proxies: [proxy.example]"])
def test_a_mistake_is_named_by_its_field(tmp_path: Path, text: str) -> None:
    with pytest.raises(OperatorError) as refused:
        _loaded(tmp_path, text)
    assert text.partition(":")[0] in refused.value.where
