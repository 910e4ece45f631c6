"""Each operation is a tool that says exactly which request it is, or one that review will not offer."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from mcp_gateway.guards import lint
from mcp_gateway.model.tool import JsonObject
from mcp_gateway.upstream import unusable
from mcp_gateway.upstream.openapi.binding import bound
from mcp_gateway.upstream.openapi.document import Flaw, read
from mcp_gateway.upstream.openapi.operations import server_info, tools
from mcp_gateway.upstream.openapi.parameters import Taken
from tests.support.apis import shop
from tests.support.node import FOLDER

TAKEN = Taken(headers={"x-api-key"}, queries={"key"})


def made(paths: dict[str, Any], *, version: str = "3.1.0", limit: int = 100, **members: Any) -> dict[str, JsonObject]:
    document = read(json.dumps({"openapi": version, "paths": paths, **members}).encode())
    return {str(tool["name"]): tool for tool in tools(document, taken=TAKEN, limit=limit)}


def one(operation: dict[str, Any], *, path: str = "/x", method: str = "get", **more: Any) -> JsonObject:
    (tool,) = made({path: {method: operation}}, **more).values()
    return tool


def properties(tool: JsonObject) -> dict[str, Any]:
    return tool["inputSchema"]["properties"]


def parameter(name: str, where: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": where, "schema": {"type": "string"}, **more}


def test_the_document_fastapi_makes_is_understood_whole() -> None:
    document = read(json.dumps(shop().openapi()).encode())
    found = {str(tool["name"]): tool for tool in tools(document, taken=TAKEN, limit=100)}
    assert server_info(document) == {"name": "Shop", "version": "7.1"}
    assert list(found) == [
        "item_get",
        "item_delete",
        "item_secret",
        "item_add",
        "note_get",
        "search",
        "form_send",
        "answer",
    ]
    for tool in found.values():
        assert unusable(tool) is None and lint(tool["inputSchema"]) is None
        jsonschema_rs.validator_for(tool.get("outputSchema", {}))
    assert found["item_get"]["description"] == "One item"
    assert found["item_get"]["outputSchema"]["properties"]["parts"]["items"] == {"$ref": "#/$defs/Stored"}
    assert found["item_add"]["inputSchema"]["required"] == ["body"]
    assert properties(found["search"])["tag"]["type"] == "array"
    assert bound(found["search"]).parameters[2].name == "x-region"


@pytest.mark.parametrize(
    ("method", "hints"),
    [
        ("get", {"readOnlyHint": True}),
        ("head", {"readOnlyHint": True}),
        ("delete", {"destructiveHint": True}),
        ("put", {"idempotentHint": True}),
        ("post", None),
        ("patch", None),
    ],
)
def test_the_method_hints_at_the_risk_and_at_no_more(method: str, hints: dict[str, bool] | None) -> None:
    assert one({"operationId": "a"}, method=method).get("annotations") == hints


def test_names_are_the_operation_ids_or_method_and_path_made_safe() -> None:
    empty: dict[str, Any] = {}
    found = made(
        {
            "/a": {"get": {"operationId": "repos/list items"}},
            "/pets/{id}": {"get": {"parameters": [parameter("id", "path", required=True)]}},
            "/b": {"get": {"operationId": "x.y-z"}},
            "/c": {"get": {"operationId": "n" * 200}},
            "/d-e": {"get": empty},
            "/d_e": {"get": empty},
        }
    )
    assert list(found)[:3] == ["repos_list_items", "get_pets_id", "x.y-z"]
    assert all(len(name) <= 128 for name in found)
    assert len(found) == 6


def test_two_operations_with_one_id_are_refused() -> None:
    with pytest.raises(Flaw, match="operationId: another operation has the same"):
        made({"/a": {"get": {"operationId": "a"}, "put": {"operationId": "a"}}})


def test_the_definition_says_which_request_it_is() -> None:
    tool = one({"parameters": [parameter("id", "path", required=True)]}, path="/a/{id}", method="delete")
    assert tool["_meta"]["io.github.mcp-gateway/openapi"] == {
        "method": "DELETE",
        "path": "/a/{id}",
        "parameters": [{"argument": "id", "name": "id", "in": "path", "style": "simple", "explode": False}],
    }


def test_an_operation_replaces_a_parameter_of_its_path() -> None:
    tool = made(
        {
            "/a/{id}": {
                "parameters": [parameter("id", "path", required=True), parameter("q", description="the path's")],
                "get": {"parameters": [parameter("q", required=True, description="its own")]},
            }
        }
    )["get_a_id"]
    assert properties(tool)["q"] == {"type": "string", "description": "its own"}
    assert tool["inputSchema"]["required"] == ["id", "q"]


def test_names_that_would_be_the_same_argument_are_told_apart() -> None:
    declared = [parameter("id", "path", required=True), parameter("id"), parameter("body"), parameter("filter[name]")]
    body = {"content": {"application/json": {"schema": {"type": "object"}}}}
    tool = one({"parameters": declared, "requestBody": body}, path="/a/{id}", method="post")
    assert list(properties(tool)) == ["path_id", "query_id", "query_body", "filter_name", "body"]
    assert [(place.argument, place.name) for place in bound(tool).parameters][3] == ("filter_name", "filter[name]")


def test_no_argument_is_a_cookie_or_a_header_that_is_not_the_callers() -> None:
    kept = ["Host", "Cookie", "Content-Length", "X-Forwarded-For", "X-HTTP-Method-Override", "X-Api-Key"]
    declared = [parameter(name, "header") for name in kept] + [parameter("c", "cookie"), parameter("Key")]
    # These three are described elsewhere in a document, so OpenAPI ignores them even when required.
    declared += [parameter(name, "header", required=True) for name in ("Authorization", "Accept", "Content-Type")]
    assert list(properties(one({"parameters": [*declared, parameter("X-Mine", "header")]}))) == ["X-Mine"]


BAD_BODY = {"multipart/form-data": {"schema": {"type": "object"}}}


@pytest.mark.parametrize(
    ("operation", "changed", "finding"),
    [
        ({"parameters": [parameter("c", "cookie", required=True)]}, {}, "required cookie parameter"),
        ({"parameters": [parameter("Host", "header", required=True)]}, {}, "required header parameter"),
        ({"parameters": [parameter("key", required=True)]}, {}, "required query parameter"),
        ({"parameters": [parameter("a", "body")]}, {}, "/parameters/0/in: must be"),
        ({"parameters": [parameter("a b", "header")]}, {}, "is no name of a header"),
        ({"parameters": [parameter("id", "path", style="matrix")]}, {"path": "/{id}"}, "this style is not supported"),
        ({"parameters": [parameter("a", content={"text/xml": {}})]}, {}, "only application/json"),
        ({"parameters": [{"$ref": "http://127.0.0.1/p.json"}]}, {}, "/parameters/0/$ref: refers to something outside"),
        ({"parameters": [parameter("a", schema={"$ref": "other.json#/A"})]}, {}, "refers to something outside"),
        ({"parameters": [parameter("a", schema={"$ref": "#/nowhere"})]}, {}, "not in the document"),
        ({"parameters": [parameter("a", schema={"$id": "http://x/"})]}, {}, "/schema/$id: is not supported"),
        ({"parameters": {}}, {}, "must be a list"),
        ({}, {"path": "/{id}"}, "do not fit: id"),
        ({"parameters": [parameter("id", "path")]}, {}, "do not fit: id"),
        ({}, {"path": "/a/../b"}, "leads upwards"),
        ({}, {"path": "/a/%2e%2E/b"}, "leads upwards"),
        ({}, {"path": "/a?b=c"}, "is no path of a URL"),
        ({}, {"path": "/a#b"}, "is no path of a URL"),
        ({}, {"path": "/a\\b"}, "is no path of a URL"),
        ({}, {"path": "/a b"}, "is no path of a URL"),
        ({}, {"path": "a"}, "is no path of a URL"),
        ({}, {"path": "/%zz"}, "is no path of a URL"),
        ({}, {"method": "trace"}, "TRACE"),
        ({"requestBody": {"content": {}}}, {"method": "get"}, "GET has no body"),
        ({"requestBody": {"content": BAD_BODY}}, {"method": "post"}, "multipart bodies (uploads) are not supported"),
        ({"requestBody": {"content": {"text/csv": {}}}}, {"method": "post"}, "only bodies of"),
        ({"requestBody": {}}, {"method": "post"}, "/requestBody/content: must be an object"),
    ],
)
def test_what_cannot_be_called_is_a_tool_with_a_finding(
    operation: dict[str, Any], changed: dict[str, Any], finding: str
) -> None:
    tool = one({"operationId": "a", **operation}, **changed)
    why = unusable(tool)
    assert why is not None and finding in why and why.startswith("#/paths/")
    assert tool["inputSchema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("kinds", "sent"),
    [
        (["text/xml", "application/json; charset=utf-8"], "application/json"),
        (["application/merge-patch+json"], "application/merge-patch+json"),
        (["*/*"], "application/json"),
        (["application/x-www-form-urlencoded", "multipart/form-data"], "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_is_sent_as_the_kind_of_json_the_api_takes_or_as_a_form(kinds: list[str], sent: str) -> None:
    content = {kind: {"schema": {"type": "object"}} for kind in kinds}
    body = bound(one({"requestBody": {"content": content}}, method="patch")).body
    assert body is not None and body.type == sent


def test_one_unusable_operation_does_not_hide_the_others() -> None:
    found = made({"/a": {"post": {"requestBody": {"content": BAD_BODY}}, "get": {}}})
    assert {name: unusable(tool) is None for name, tool in found.items()} == {"get_a": True, "post_a": False}


def test_a_recursive_schema_is_gathered_once() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
    tool = one(
        {"parameters": [parameter("a", schema={"$ref": "#/components/schemas/Node"})]},
        components={"schemas": {"Node": node}},
    )
    assert list(tool["inputSchema"]["$defs"]) == ["Node"]
    assert lint(tool["inputSchema"]) is None


def test_names_of_gathered_schemas_do_not_clash() -> None:
    schemas = {"a": {"Node": {"type": "string"}}, "b": {"Node": {"type": "integer"}}}
    refs = [parameter(name, schema={"$ref": f"#/components/{name}/Node"}) for name in schemas]
    tool = one({"parameters": refs}, components=schemas)
    assert tool["inputSchema"]["$defs"] == {"Node": {"type": "string"}, "Node_2": {"type": "integer"}}


def test_a_chain_of_references_without_end_is_a_finding() -> None:
    schemas = {f"S{n}": {"properties": {"a": {"$ref": f"#/components/schemas/S{n + 1}"}}} for n in range(3_000)}
    schemas["S3000"] = {}
    tool = one(
        {"parameters": [parameter("a", schema={"$ref": "#/components/schemas/S0"})]}, components={"schemas": schemas}
    )
    assert "too long a chain" in str(unusable(tool))


def test_a_schema_without_measure_is_a_finding() -> None:
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(10_000)}}
    assert "more than" in str(unusable(one({"parameters": [parameter("a", schema=wide)]})))


def test_a_schema_of_3_0_becomes_one_of_2020_12() -> None:
    schema: dict[str, Any] = {
        "type": "integer",
        "nullable": True,
        "enum": [1, 2],
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 9,
        "exclusiveMaximum": False,
        "example": 1,
        "xml": {},
        "x-more": 1,
    }
    assert properties(one({"parameters": [parameter("a", schema=schema)]}, version="3.0.3"))["a"] == {
        "type": ["integer", "null"],
        "enum": [1, 2, None],
        "exclusiveMinimum": 0,
        "maximum": 9,
        "examples": [1],
    }


def test_a_nullable_reference_of_3_0_allows_null() -> None:
    schema = {"allOf": [{"$ref": "#/components/schemas/A"}], "nullable": True}
    tool = one(
        {"parameters": [parameter("a", schema=schema)]},
        version="3.0.0",
        components={"schemas": {"A": {"type": "string"}}},
    )
    validator = jsonschema_rs.validator_for(tool["inputSchema"])
    assert [validator.is_valid({"a": value}) for value in (None, "x", 1)] == [True, True, False]


def test_an_answer_is_described_only_where_every_success_is_the_same_object() -> None:
    def described(responses: dict[str, Any]) -> object:
        return one({"responses": responses}).get("outputSchema")

    thing = {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}
    items = {"description": "", "content": {"application/json": {"schema": {"type": "array"}}}}
    assert described({"200": thing, "404": items}) == {"type": "object"}
    assert described({"200": thing, "204": {"description": ""}}) is None
    assert described({"200": items}) is None
    assert described({"default": thing}) is None
    assert described({"200": {"$ref": "http://127.0.0.1/"}}) is None


@pytest.mark.parametrize(
    "paths", [[], "x", {"/a": []}, {"/a": {"get": 1}}, {"/a": {"$ref": "b.json"}}, {"/a": {"get": {"operationId": []}}}]
)
def test_what_is_wrong_with_the_whole_is_refused(paths: Any) -> None:
    with pytest.raises(Flaw):
        made(paths)


def test_more_operations_than_the_bound_are_refused() -> None:
    with pytest.raises(Flaw, match="more than 3 operations"):
        made({f"/{n}": {"get": {}} for n in range(4)}, limit=3)


def test_a_document_people_publish_is_understood_whole() -> None:
    path = FOLDER / "node_modules/@notionhq/notion-mcp-server/scripts/notion-openapi.json"
    if not path.is_file():
        pytest.skip("the npm packages of tests/node are not installed; run `python -m tests.support.node install`")
    found = tools(read(path.read_bytes()), taken=TAKEN, limit=100)
    assert len(found) == 24
    assert [tool["name"] for tool in found if unusable(tool) or lint(tool["inputSchema"])] == []


def test_a_tool_that_is_too_large_is_a_finding_and_too_many_of_them_are_refused() -> None:
    schemas = {"Long": {"type": "string", "description": "x" * 300_000}}
    operation = {"parameters": [parameter("a", schema={"$ref": "#/components/schemas/Long"})]}
    found = made({f"/{n}": {"get": operation} for n in range(3)}, components={"schemas": schemas})
    assert all("is larger than" in str(unusable(tool)) for tool in found.values())
    with pytest.raises(Flaw, match="too large in all"):
        made({f"/{n}": {"get": operation} for n in range(300)}, components={"schemas": schemas}, limit=1_000)


def test_an_operation_with_parameters_without_end_is_a_finding() -> None:
    declared = [parameter(f"a{n}") for n in range(50_000)]
    assert "more than 200 parameters" in str(unusable(one({"parameters": declared})))


def test_servers_and_security_of_the_document_are_not_read() -> None:
    plain = one({"operationId": "a"})
    assert one({"operationId": "a", "servers": [{"url": "http://evil/"}], "security": [{"k": []}]}) == plain
