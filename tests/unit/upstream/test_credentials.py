"""The secret of a registry entry, read from its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.errors import UpstreamUnavailable
from mcp_gateway.model.tool import HttpTransport
from mcp_gateway.upstream.credentials import NO_CREDENTIAL, Credentials

SECRET = "Bearer s3cr3t-value"


def credentials(directory: Path, *, header: str | None = "Authorization", file: str | None = "token") -> Credentials:
    transport = HttpTransport("https://example.com/mcp", (), header, file, ())
    return Credentials(directory, transport)


def test_an_entry_without_a_credential_shows_none(tmp_path: Path) -> None:
    assert credentials(tmp_path, header=None, file=None).current() == NO_CREDENTIAL


def test_the_header_carries_the_files_content_without_its_edges(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"  {SECRET}\n")
    assert credentials(tmp_path).current().headers == (("Authorization", SECRET),)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    found = credentials(tmp_path)
    before = found.current()
    (tmp_path / "token").write_text("another")
    assert found.current().headers == (("Authorization", "another"),)
    assert found.current().version != before.version


def test_a_removed_file_ends_the_credential(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    found = credentials(tmp_path)
    found.current()
    (tmp_path / "token").unlink()
    with pytest.raises(UpstreamUnavailable, match="token"):
        found.current()


@pytest.mark.parametrize("content", ["", " \n", "a\nb", "a\rb", "gr\u00fcn", "x" * 20_000, "\x00"])
def test_content_that_no_header_can_carry_is_refused_by_naming_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(UpstreamUnavailable, match="secret file token") as caught:
        credentials(tmp_path).current()
    assert not content.strip() or content not in str(caught.value)


@pytest.mark.parametrize("name", ["../token", "/etc/passwd", "a/b", "..", "."])
def test_a_file_outside_the_secrets_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")
    with pytest.raises(UpstreamUnavailable):
        credentials(tmp_path, file=name).current()


def test_the_secret_is_not_in_the_credentials_repr(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    assert "s3cr3t" not in repr(credentials(tmp_path).current())
