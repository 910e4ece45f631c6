"""An argument reaches the server as what it is, and never as a part of another request."""

from __future__ import annotations

import re
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyreqwest.http import Url

from mcp_gateway.errors import InvalidArguments
from mcp_gateway.upstream.http import Outgoing
from mcp_gateway.upstream.openapi.binding import Binding
from mcp_gateway.upstream.openapi.encode import outgoing

TEXT = st.text(st.characters(codec="utf-8"))
NASTY = st.lists(
    st.sampled_from(["/", "\\", "..", ".", "%", "2f", "2F", "25", "5c", "?", "#", ";", "&", "=", "a", "\x00", " ", "é"])
).map("".join)


def binding(*places: dict[str, Any], path: str = "/x", **more: Any) -> Binding:
    defaults = {"argument": "a", "name": "a", "style": "simple", "explode": False}
    return Binding.model_validate(
        {"method": "GET", "path": path, "parameters": [defaults | place for place in places], **more}
    )


def sent(bound: Binding, arguments: dict[str, Any], **more: Any) -> Outgoing:
    return outgoing(bound, arguments, base="/base", **more)


IN_PATH = binding({"in": "path"}, path="/x/{a}/y")


@given(TEXT | NASTY)
def test_a_path_argument_stays_in_its_segment_or_is_refused(value: str) -> None:
    try:
        target = sent(IN_PATH, {"a": value}).target
    except InvalidArguments:
        return
    assert re.fullmatch(r"/base/x/[A-Za-z0-9._~%-]+/y", target)
    assert Url(f"http://127.0.0.1{target}").path == target  # what sends it does not tidy it up
    segment = target.split("/")[3]
    assert unquote(segment) == value
    for _ in range(10):  # whatever decodes it again on the way
        assert "/" not in segment and "\\" not in segment and segment not in ("", ".", "..")
        segment = unquote(segment)


@pytest.mark.parametrize("value", ["a/b", "..", ".", "%2e%2e", "%2fadmin", "%252f", "a\\b", "%5c", "", "a\x00", "a\nb"])
def test_what_would_leave_the_segment_is_refused(value: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        sent(IN_PATH, {"a": value})
    assert caught.value.code == "arguments.invalid"


@pytest.mark.parametrize("value", ["a b", "a?b=c", "a#b", "50%", "a;b=c", "ü", "..a", "a..", "...", "a:b@c", "%20"])
def test_what_stays_in_the_segment_arrives_as_it_is(value: str) -> None:
    target = sent(IN_PATH, {"a": value}).target
    assert unquote(urlsplit(target).path.split("/")[3]) == value


def test_two_arguments_cannot_make_up_a_step_upwards_together() -> None:
    both = binding({"in": "path"}, {"in": "path", "argument": "b", "name": "b"}, path="/x/{a}{b}/y")
    with pytest.raises(InvalidArguments):
        sent(both, {"a": ".", "b": "."})
    with pytest.raises(InvalidArguments):
        sent(binding({"in": "path"}, path="/x/.{a}"), {"a": "."})


@pytest.mark.parametrize("value", [None, {}, [], [""], [["a"]], {"b": "c/d"}])
def test_a_path_argument_that_has_no_plain_text_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArguments):
        sent(IN_PATH, {"a": value})


def test_lists_and_objects_in_a_path_are_joined_by_commas() -> None:
    assert sent(IN_PATH, {"a": ["b,c", 1, True]}).target == "/base/x/b%2Cc,1,true/y"
    exploded = binding({"in": "path", "explode": True}, path="/x/{a}")
    assert sent(exploded, {"a": {"k": "v", "n": 1.5}}).target == "/base/x/k=v,n=1.5"


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), TEXT | NASTY, min_size=1))
def test_query_arguments_arrive_as_they_are(arguments: dict[str, str]) -> None:
    places = [
        {"in": "query", "style": "form", "explode": True, "argument": name, "name": f"{name}&="} for name in "abc"
    ]
    target = sent(binding(*places), arguments).target
    query = target.partition("?")[2]
    assert "#" not in target and target.startswith("/base/x?")
    found = [tuple(pair.split("=")) for pair in query.split("&")]
    assert {unquote(key): unquote(value) for key, value in found} == {f"{k}&=": v for k, v in arguments.items()}


@pytest.mark.parametrize(
    ("style", "explode", "value", "query"),
    [
        ("form", True, ["a b", "c"], "a=a%20b&a=c"),
        ("form", False, ["a,b", "c"], "a=a%2Cb,c"),
        ("spaceDelimited", False, ["a", "c"], "a=a%20c"),
        ("pipeDelimited", False, ["a", "c"], "a=a%7Cc"),
        ("pipeDelimited", True, ["a", "c"], "a=a&a=c"),
        ("form", True, {"b": 1, "c": "x y"}, "b=1&c=x%20y"),
        ("form", False, {"b": 1, "c": "x"}, "a=b,1,c,x"),
        ("deepObject", True, {"b": 1, "c": ["x", "y"]}, "a%5Bb%5D=1&a%5Bc%5D=x&a%5Bc%5D=y"),
        ("json", False, {"b": [1]}, "a=%7B%22b%22%3A%5B1%5D%7D"),
        ("form", True, True, "a=true"),
        ("form", True, 1.5, "a=1.5"),
        ("form", True, [], ""),
        ("form", True, None, ""),
    ],
)
def test_a_query_is_written_in_its_style(style: str, explode: bool, value: Any, query: str) -> None:
    bound = binding({"in": "query", "style": style, "explode": explode})
    assert sent(bound, {"a": value}).target.partition("?")[2] == query


@pytest.mark.parametrize(
    ("style", "value"),
    [
        ("form", {"b": "x"}),
        ("form", {"API.key": "x"}),
        ("form", {"api_key": "x"}),
        ("form", {"": "x"}),
        ("form", {"c": {"d": 1}}),
        ("form", [{"d": 1}]),
        ("deepObject", {"b][c": "x"}),
        ("deepObject", {"b": {"c": 1}}),
        ("deepObject", "text"),
    ],
)
def test_a_member_cannot_pass_for_another_parameter_or_the_credential(style: str, value: Any) -> None:
    bound = binding(
        {"in": "query", "style": style, "explode": True},
        {"in": "query", "style": "form", "explode": True, "argument": "b", "name": "b"},
    )
    with pytest.raises(InvalidArguments):
        sent(bound, {"a": value}, queries=[("api_key", "secret")])


def test_the_credential_ends_the_query() -> None:
    bound = binding({"in": "query", "style": "form", "explode": True})
    assert sent(bound, {"a": "1"}, queries=[("key", "s&t")]).target == "/base/x?a=1&key=s%26t"
    assert sent(binding(), {}, queries=[("key", "s")]).target == "/base/x?key=s"


@given(TEXT)
def test_a_header_argument_is_one_header_or_refused(value: str) -> None:
    assume(value)
    bound = binding({"in": "header", "name": "X-A"})
    try:
        headers = dict(sent(bound, {"a": value}, headers=[("authorization", "Bearer s")]).headers)
    except InvalidArguments:
        assert value != value.strip() or not value.isascii() or not value.isprintable()
        return
    assert headers == {"authorization": "Bearer s", "X-A": value}


def test_lists_in_a_header_are_joined_by_commas() -> None:
    bound = binding({"in": "header", "name": "X-A"})
    assert sent(bound, {"a": ["b", 2]}).headers == [("X-A", "b,2")]


def test_a_json_body_is_sent_as_it_was_given() -> None:
    bound = binding(body={"argument": "body", "type": "application/json"})
    value = {"b": [1, None, {"c": "é"}]}
    request = sent(bound, {"body": value})
    assert orjson.loads(request.body) == value
    assert request.headers == [("content-type", "application/json")]
    assert sent(bound, {"body": None}).body == b"null"
    assert sent(bound, {}).body == b"" and sent(bound, {}).headers == []


@given(st.dictionaries(TEXT, TEXT | st.lists(TEXT, min_size=1, max_size=3), max_size=4))
def test_a_form_body_arrives_as_it_was_given(value: dict[str, Any]) -> None:
    bound = binding(body={"argument": "body", "type": "application/x-www-form-urlencoded"})
    request = sent(bound, {"body": value})
    expected: list[tuple[str, str]] = []
    for key, given_value in value.items():
        values = cast("list[str]", given_value) if isinstance(given_value, list) else [str(given_value)]
        expected += [(key, one) for one in values]
    assert parse_qsl(request.body.decode(), keep_blank_values=True) == expected


@pytest.mark.parametrize("value", ["text", [1], {"a": {"b": 1}}])
def test_a_form_that_is_no_flat_object_is_refused(value: Any) -> None:
    bound = binding(body={"argument": "body", "type": "application/x-www-form-urlencoded"})
    with pytest.raises(InvalidArguments):
        sent(bound, {"body": value})


def test_an_argument_the_binding_does_not_know_is_refused() -> None:
    with pytest.raises(InvalidArguments):
        sent(binding(), {"b": 1})


def test_no_error_repeats_a_value() -> None:
    for bound, value in ((IN_PATH, "hidden/value"), (binding({"in": "header"}), "hidden\nvalue")):
        with pytest.raises(InvalidArguments) as caught:
            sent(bound, {"a": value})
        assert "hidden" not in str(caught.value)
