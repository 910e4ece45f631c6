"""What a registry entry says of a server that is reached in one of the less usual ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mcp_gateway.catalog.registry import UpstreamEntry, load_file, render, upstream_of
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.tool import HttpTransport, OpenApiTransport, Risk, SseTransport

ROOT = Path(__file__).resolve().parents[3]
HEAD = "name: shop\ndescription: ''\nowner: o\n"


def written(tmp_path: Path, transport: str) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(f"{HEAD}transport: {transport}\n")
    return path


def test_an_sse_entry_has_the_fields_of_an_http_entry(tmp_path: Path) -> None:
    text = "{type: sse, url: 'https://e.com/sse', headers: {X-A: b}, credential: {file: k}, network: [10.0.0.0/8]}"
    transport = load_file(written(tmp_path, text)).transport
    assert transport == SseTransport(
        url="https://e.com/sse",
        headers=(("X-A", "b"),),
        credential_header="Authorization",
        credential_file="k",
        network=("10.0.0.0/8",),
    )
    assert transport != HttpTransport("https://e.com/sse", (("X-A", "b"),), "Authorization", "k", ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ("api.yaml", "{folder}/api.yaml"),
        ("../docs/api.json", "{parent}/docs/api.json"),
        ("/etc/api.json", "/etc/api.json"),
        ("https://e.com/openapi.json", "https://e.com/openapi.json"),
    ],
)
def test_a_document_stands_beside_its_entry_or_where_it_says(tmp_path: Path, document: str, place: str) -> None:
    path = written(tmp_path, f"{{type: openapi, url: 'https://e.com/v1', document: '{document}'}}")
    transport = load_file(path).transport
    assert isinstance(transport, OpenApiTransport)
    assert transport.document == place.format(folder=tmp_path.resolve(), parent=tmp_path.resolve().parent)
    assert transport.credential_query is None


def test_a_credential_may_be_a_parameter_of_the_query(tmp_path: Path) -> None:
    text = "{type: openapi, url: 'https://e.com', document: a, credential: {file: k, query: api_key}}"
    transport = load_file(written(tmp_path, text)).transport
    assert isinstance(transport, OpenApiTransport)
    assert (transport.credential_query, transport.credential_file) == ("api_key", "k")


@pytest.mark.parametrize(
    ("transport", "says"),
    [
        ("{type: openapi, url: 'https://e.com'}", "transport.openapi.document"),
        ("{type: openapi, document: a}", "transport.openapi.url"),
        ("{type: openapi, document: a, url: 'https://e.com?a=b'}", "transport.openapi.url"),
        ("{type: openapi, document: a, url: 'https://e.com', servers: []}", "servers"),
        ("{type: sse, url: 'ftp://e.com'}", "transport.sse.url"),
        ("{type: sse, url: 'https://e.com', credential: {file: k, query: q}}", "query"),
    ],
)
def test_a_mistake_names_its_field(tmp_path: Path, transport: str, says: str) -> None:
    with pytest.raises(OperatorError) as caught:
        load_file(written(tmp_path, transport))
    assert says in caught.value.problem


@pytest.mark.parametrize(
    "transport",
    [
        {"type": "sse", "url": "https://e.com/sse"},
        {"type": "openapi", "url": "https://e.com", "document": "/a.json", "credential": {"file": "k", "query": "q"}},
    ],
)
def test_what_is_written_is_read_back(tmp_path: Path, transport: dict[str, object]) -> None:
    entry = UpstreamEntry.model_validate({"name": "shop", "description": "", "owner": "o", "transport": transport})
    path = tmp_path / "shop.yaml"
    path.write_text(render(entry))
    assert load_file(path) == upstream_of(entry)


def test_a_path_is_no_query() -> None:
    with pytest.raises(ValidationError):
        UpstreamEntry.model_validate({"name": "x", "transport": {"type": "openapi", "url": "https://e.com#f"}})


def test_the_sample_entry_of_an_old_server_is_valid() -> None:
    upstream = load_file(ROOT / "examples/registry/everything-sse.yaml")
    assert isinstance(upstream.transport, SseTransport)


def test_the_sample_entry_of_an_api_is_valid() -> None:
    upstream = load_file(ROOT / "examples/registry/library.yaml")
    assert isinstance(upstream.transport, OpenApiTransport)
    assert upstream.tools["book_remove"].risk is Risk.DESTRUCTIVE
