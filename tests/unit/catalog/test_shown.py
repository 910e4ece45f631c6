"""URIs in an upstream's answers, as an endpoint shows them."""

from __future__ import annotations

from typing import Any

from mcp_gateway.catalog import shown


def renamed(uri: str) -> str:
    return f"s+{uri}"


def test_a_result_without_resources_is_returned_as_it_is() -> None:
    plain = {"content": [{"type": "text", "text": "a note://b in text"}], "structuredContent": {"uri": "note://a"}}
    assert list(shown.blocks(plain)) == []
    assert shown.result(plain, renamed) == plain


def test_links_and_embedded_resources_of_a_tool_result_are_renamed_and_keep_their_other_fields() -> None:
    link: dict[str, Any] = {"type": "resource_link", "uri": "note://1", "name": "one", "x-vendor": 1}
    inner = {"uri": "note://2", "text": "two", "mimeType": "text/plain"}
    found = {
        "content": [{"type": "text", "text": "t"}, link, {"type": "resource", "resource": inner, "annotations": {}}]
    }
    assert shown.result(found, renamed)["content"] == [
        {"type": "text", "text": "t"},
        {**link, "uri": "s+note://1"},
        {"type": "resource", "resource": {**inner, "uri": "s+note://2"}, "annotations": {}},
    ]
    assert len(shown.blocks(found)) == 2


def test_a_prompts_messages_and_what_was_read_are_renamed() -> None:
    message = {"role": "user", "content": {"type": "resource", "resource": {"uri": "note://1", "text": "x"}}}
    assert shown.result({"messages": [message]}, renamed)["messages"][0]["content"]["resource"]["uri"] == "s+note://1"
    assert (
        shown.result({"contents": [{"uri": "note://1", "blob": "AA=="}]}, renamed)["contents"][0]["uri"] == "s+note://1"
    )
    assert len(shown.blocks({"messages": [message]})) == 1


def test_the_page_of_an_app_is_renamed_in_both_spellings() -> None:
    meta = {"ui": {"resourceUri": "ui://board", "prefersBorder": True}, "ui/resourceUri": "ui://board", "other": 1}
    assert shown.meta_of(meta, renamed) == {
        "ui": {"resourceUri": "s+ui://board", "prefersBorder": True},
        "ui/resourceUri": "s+ui://board",
        "other": 1,
    }
    plain = {"other": 1}
    assert shown.meta_of(plain, renamed) is plain


def test_an_errors_resource_is_renamed() -> None:
    error = {"code": -32602, "message": "not found", "data": {"uri": "note://1", "more": 1}}
    assert shown.error(error, renamed)["data"] == {"uri": "s+note://1", "more": 1}
    assert shown.error({"code": 1, "message": "m"}, renamed) == {"code": 1, "message": "m"}


def test_shapes_that_no_specification_has_pass_untouched() -> None:
    odd: dict[str, Any] = {"content": "text", "messages": [1, {"content": [1]}], "contents": [None, {"uri": 3}]}
    assert shown.result(odd, renamed) == odd
    assert list(shown.blocks(odd)) == []
    assert list(shown.blocks({"content": [None, 3, {"type": ["resource"]}]})) == []
