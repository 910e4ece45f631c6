"""RFC 6570 read backwards: what a URI makes of a template's variables, in one way or not at all."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_gateway.catalog.matching import match
from mcp_gateway.catalog.templates import MAX_EXPRESSIONS, parse

_SEPARATORS = {"": ",", "+": ",", "#": ",", ".": ".", "/": "/", ";": ";", "?": "&", "&": "&"}


def expand(operator: str, values: dict[str, str | list[str]], exploded: set[str]) -> str:
    """One expression as RFC 6570 §3.2 expands it; every value is defined."""
    safe = ":/?#[]@!$&'()*+,;=" if operator in {"+", "#"} else ""
    pieces: list[str] = []
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            encoded = quote(one, safe=safe + "-._~")
            bare = ";" if not encoded and operator == ";" else ""
            pieces.append(f"{name}={encoded}" if operator in {";", "?", "&"} and not bare else encoded or name)
    return ("" if operator == "+" else operator) + _SEPARATORS[operator].join(pieces)


def expression(operator: str, names: list[str], exploded: set[str]) -> str:
    return "{" + operator + ",".join(name + "*" * (name in exploded) for name in names) + "}"


PLAIN = st.text("abcXYZ019-_~é€ :@!$'()*", min_size=1, max_size=8).filter(lambda text: text.isprintable())
TEXTS = {
    "": PLAIN,
    ".": PLAIN,
    "/": PLAIN,
    ";": PLAIN,
    "+": st.text("abc/:@=&;!9", min_size=1, max_size=8),
    "#": st.text("abc/:?@=&;!9", min_size=1, max_size=8),
    "?": st.text("abc /?&=+%é.", min_size=0, max_size=8),
    "&": st.text("abc /?&=+%é.", min_size=0, max_size=8),
}


@st.composite
def expressions(draw: st.DrawFn, number: int) -> tuple[str, str, dict[str, str | list[str]]]:
    """(template, expansion, values) of one expression."""
    operator = draw(st.sampled_from(list(TEXTS)))
    several = operator not in {"+", "#"}
    names = [f"v{number}_{index}" for index in range(draw(st.integers(1, 3 if several else 1)))]
    exploded = {names[0]} if several and len(names) == 1 and draw(st.booleans()) else set[str]()
    values: dict[str, str | list[str]] = {}
    for name in names:
        value = TEXTS[operator]
        values[name] = draw(st.lists(value, min_size=1, max_size=3)) if name in exploded else draw(value)
    return expression(operator, names, exploded), expand(operator, values, exploded), values


@given(st.data(), st.integers(1, 3))
def test_what_was_expanded_is_found_again_or_refused_for_being_unclear(data: st.DataObject, count: int) -> None:
    made = [data.draw(expressions(number)) for number in range(count)]
    literals = [data.draw(st.sampled_from(["/", "/x/", "-", ".y", "//"])) for _ in made]
    text = "n://h" + "".join(literal + template for literal, (template, _, _) in zip(literals, made, strict=True))
    uri = "n://h" + "".join(literal + expansion for literal, (_, expansion, _) in zip(literals, made, strict=True))
    values = {name: value for _, _, given_ in made for name, value in given_.items()}
    assume("/./" not in uri + "/")
    assume("/../" not in uri + "/")
    try:
        found = match(parse(text), uri)
    except ValueError:
        assert count > 1, "one expression between literals has one reading"
    else:
        # A fragment holds whatever follows it, so nothing can follow one.
        assert found == values or "{#" in text


@given(st.text("ab/{}+#?&.;=%2F-", max_size=30), st.text("ab/+#?&.;=%2F-", max_size=30))
def test_nothing_that_is_sent_breaks_the_matching(template: str, uri: str) -> None:
    try:
        parsed = parse("n://" + template)
        found = match(parsed, "n://" + uri)
    except ValueError:
        return
    assert found is None or set(found) <= parsed.variables


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        ("docs://{id}", "docs://a", {"id": "a"}),
        ("docs://{id}", "docs://caf%C3%A9%20x", {"id": "café x"}),
        ("docs://{id}", "docs://a/b", None),
        ("docs://{id}", "docs://", None),
        ("docs://{id}", "docs://a?b", None),
        ("docs://{id}", "DOCS://a", None),
        ("docs://{a}-{b}", "docs://x-y", {"a": "x", "b": "y"}),
        ("docs://{a,b}", "docs://x,y", {"a": "x", "b": "y"}),
        ("docs://{a,b}", "docs://x", None),
        ("docs://{a*}", "docs://x,y,z", {"a": ["x", "y", "z"]}),
        ("file:///{+path}", "file:///a/b.txt", {"path": "a/b.txt"}),
        ("file:///{+path}", "file:///a#b", None),
        ("file:///{+path}{?q}", "file:///a/b?q=%2Fx", {"path": "a/b", "q": "/x"}),
        ("docs://h{/a,b}", "docs://h/x/y", {"a": "x", "b": "y"}),
        ("docs://h{/a*}", "docs://h/x/y/z", {"a": ["x", "y", "z"]}),
        ("docs://h{/a*}", "docs://h", {}),
        ("docs://{id}{.ext}", "docs://a.b", {"id": "a", "ext": "b"}),
        ("docs://{id}{.ext}", "docs://a", {"id": "a"}),
        ("docs://h{;x,y}", "docs://h;x=1;y", {"x": "1", "y": ""}),
        ("docs://h{?q,lang}", "docs://h?lang=en&q=a%20b", {"q": "a b", "lang": "en"}),
        ("docs://h{?q,lang}", "docs://h?q=a", {"q": "a"}),
        ("docs://h{?q,lang}", "docs://h", {}),
        ("docs://h{?q}", "docs://h?p=a", None),
        ("docs://h{?q*}", "docs://h?q=a&q=b", {"q": ["a", "b"]}),
        ("docs://h?a=1{&q}", "docs://h?a=1&q=2", {"q": "2"}),
        ("docs://h{#part}", "docs://h#a/b", {"part": "a/b"}),
    ],
)
def test_the_variables_are_those_of_the_expansion(
    template: str, uri: str, values: dict[str, str | list[str]] | None
) -> None:
    assert match(parse(template), uri) == values


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("docs://{id}", "docs://a%2Fb"),
        ("docs://{id}", "docs://a%2fb"),
        ("docs://{id}", "docs://a%5Cb"),
        ("docs://{id}", "docs://a%252Fb"),
        ("docs://{id}", "docs://%2E%2E"),
        ("docs://{id}", "docs://.."),
        ("docs://h/{id}/x", "docs://h/../x"),
        ("docs://h/{id}/x", "docs://h/./x"),
        ("docs://{id}", "docs://%61"),
        ("docs://{id}", "docs://a%00"),
        ("docs://{id}", "docs://a%E2%80%AE"),
        ("docs://{id}", "docs://%FF"),
        ("file:///{+path}", "file:///a/../b"),
        ("file:///{+path}", "file:///a/%2e%2e/b"),
        ("file:///{+path}", "file:///a%2Fb"),
        ("docs://h{/a*}", "docs://h/a/../b"),
        ("docs://{host}/x", "docs://me@host/x"),
        ("docs://h{?q}", "docs://h?q=a+b"),
        ("docs://h{?q}", "docs://h?q=a&q=b"),
        ("docs://h{?q}", "docs://h?q=%00"),
        ("docs://{a}-{b}", "docs://x-y-z"),
        ("docs://{a}{b}", "docs://xyz"),
    ],
)
def test_another_spelling_and_a_second_reading_are_refused(template: str, uri: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        match(parse(template), uri)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("docs://today", "expressions"),
        ("docs://" + "{a}" * (MAX_EXPRESSIONS + 1), "expressions"),
        ("docs://{id:3}", "prefix"),
        ("docs://{=id}", "RFC 6570"),
        ("docs://{}", "RFC 6570"),
        ("docs://{id", "RFC 6570"),
        ("docs://{user-id}", "RFC 6570"),
        ("docs://{a,a}", "twice"),
        ("docs://{a*,b}", "beside"),
        ("{scheme}://x", "scheme"),
        ("{+url}", "scheme"),
        ("docs://{id} x", "outside"),
        ("docs://me@{host}/", "user information"),
        ("docs://{id}" + "x" * 2_048, "longer"),
    ],
)
def test_what_is_no_template_or_cannot_be_read_backwards_says_why(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_the_most_hostile_uri_takes_steps_in_proportion_to_its_length() -> None:
    """Nested quantifiers of a pattern would not end here within a lifetime."""
    template = parse("n:" + "-".join(f"{{v{number}}}" for number in range(MAX_EXPRESSIONS)))
    with pytest.raises(ValueError, match="more than one"):
        match(template, "n:" + "-" * 2_046)
