"""The modelling language, text to document: schema 1.1 and 1.2, models and modules.

`read(text)` answers every problem of the text; `parse(text)` raises at the first. Grammar and what
stands twice, nothing else: whether a model makes sense is for `validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mcp_gateway.authorization.language.lexing import NAME, VERSION, Token, forbidden, lex
from mcp_gateway.authorization.language.problems import Problem, Reading, require_none
from mcp_gateway.authorization.language.recognition import Node, recognise
from mcp_gateway.authorization.language.syntax import (
    NOWHERE,
    UNSOURCED,
    Computed,
    ConditionDefinition,
    Direct,
    Document,
    Exclusion,
    From,
    Intersection,
    ParameterType,
    Place,
    RelationDefinition,
    Restriction,
    Rewrite,
    Source,
    TypeDefinition,
    Union,
)

MAX_BYTES = 256 * 1024
_MAX_NESTING = 20
_MAX_PROBLEMS = 100


def parse(text: str, *, where: str = "model.fga") -> Document:
    """The document `text` says; OperatorError at the first place that says nothing."""
    reading = read(text, where=where)
    require_none(reading.problems)
    assert reading.document is not None
    return reading.document


def read(text: str, *, where: str = "model.fga") -> Reading:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return Reading(None, (Problem("size", f"the model is larger than {MAX_BYTES} bytes", where),))
    problems = [*forbidden(text, where=where)]
    if problems:
        return _refused(problems)
    lexed = lex(text, where=where)
    problems = [*_too_deep(lexed.tokens, where)]
    if problems:
        return _refused(problems)
    tree, mistakes = recognise(lexed.tokens)
    if mistakes or lexed.problems:
        problems = [Problem("syntax", one.sentence, where, one.token.place) for one in mistakes]
        return _refused(sorted([*lexed.problems, *problems], key=lambda one: (one.place.line, one.place.column)))
    builder = _Builder(lexed.text, where)
    document = builder.document(tree)
    return _refused(builder.problems) if builder.problems else Reading(document, ())


def _refused(problems: Sequence[Problem]) -> Reading:
    return Reading(None, tuple(problems[:_MAX_PROBLEMS]))


def _too_deep(tokens: Sequence[Token], where: str) -> Iterator[Problem]:
    """Nesting is bounded before it is walked; braces hold expressions, which have bounds of their own."""
    depth, inside = 0, False
    for token in tokens:
        inside = (inside or token.kind == "{") and token.kind != "}"
        if inside or token.kind not in "()":
            continue
        depth += 1 if token.kind == "(" else -1
        if depth > _MAX_NESTING:
            yield Problem("nesting", f"more than {_MAX_NESTING} nested parentheses", where, token.place)
            return


class _Builder:
    """From a tree without holes to the document."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._source = UNSOURCED
        self.problems: list[Problem] = []

    def document(self, file: Node) -> Document:
        header = next(file.nodes("model_header", "module_header"))
        schema = next(header.tokens(VERSION), None)
        if header.rule == "module_header":
            self._source = Source(_name(header).text, self._where)
        types = tuple(self._type(one) for one in next(file.nodes("types")).nodes("type"))
        conditions = tuple(self._condition(one) for one in next(file.nodes("conditions")).nodes("condition"))
        self._twice(conditions, "condition `{}` stands twice")
        self._twice([one for one in types if one.extends], "`{}` is already extended in this file")
        return Document(
            schema.text if schema else "",
            types,
            conditions,
            self._source.module,
            schema.place if schema else Place(1, 1, 1),
        )

    def _type(self, node: Node) -> TypeDefinition:
        name, extends = _name(node), any(node.tokens("extend"))
        if extends and not self._source:
            self._problem("module.extend", "`extend` has a meaning in modules only", name.place)
        relations = tuple(map(self._relation, node.nodes("relation")))
        self._twice(relations, f"relation `{{}}` of `{name.text}` stands twice")
        return TypeDefinition(name.text, relations, name.place.line, name.place, self._source, extends)

    def _relation(self, node: Node) -> RelationDefinition:
        name = _name(next(node.nodes("relation_name")))
        restrictions: list[Restriction] = []
        rewrite = _rewrite(next(node.nodes("definition")), restrictions)
        return RelationDefinition(name.text, rewrite, tuple(restrictions), name.place.line, name.place)

    def _condition(self, node: Node) -> ConditionDefinition:
        name = next(next(node.nodes("condition_name")).tokens(NAME))
        parameters: list[tuple[str, ParameterType]] = []
        for one in node.nodes("parameter"):
            parameter = next(next(one.nodes("parameter_name")).tokens(NAME))
            if any(parameter.text == other for other, _ in parameters):
                sentence = f"parameter `{parameter.text}` of `{name.text}` is declared twice"
                self._problem("duplicate", sentence, parameter.place)
            parameters.append((parameter.text, _parameter_type(next(one.nodes("parameter_type")))))
        opening, closing = next(node.tokens("{")), next(node.tokens("}"))
        expression = self._text[opening.end : closing.start].strip()
        return ConditionDefinition(name.text, tuple(parameters), expression, name.place.line, name.place, self._source)

    def _twice(
        self,
        items: Sequence[TypeDefinition] | Sequence[RelationDefinition] | Sequence[ConditionDefinition],
        sentence: str,
    ) -> None:
        seen: set[str] = set()
        for item in items:
            if item.name in seen:
                self._problem("duplicate", sentence.format(item.name), item.place)
            seen.add(item.name)

    def _problem(self, kind: str, sentence: str, place: Place) -> None:
        self.problems.append(Problem(kind, sentence, self._where, place))


def _rewrite(node: Node, restrictions: list[Restriction]) -> Rewrite:
    """Of `definition`, with or without `[...]`; the restrictions it finds are added to the list."""
    first = _operand(next(node.nodes("direct", "reference", "group", "group_without_direct")), restrictions)
    partials = next(node.nodes("partials"), None)
    if partials is None:
        return first
    others = [_operand(one, restrictions) for one in partials.nodes("reference", "group_without_direct")]
    if any(partials.tokens("or")):
        return Union((first, *others))
    return Exclusion(first, others[0]) if any(partials.tokens("but not")) else Intersection((first, *others))


def _operand(node: Node, restrictions: list[Restriction]) -> Rewrite:
    if node.rule == "direct":
        restrictions += map(_restriction, node.nodes("restriction"))
        opening, closing = next(node.tokens("[")).place, next(node.tokens("]")).place
        return Direct(Place(opening.line, opening.column, closing.end if closing.line == opening.line else opening.end))
    if node.rule == "reference":
        return _reference(node)
    return _rewrite(next(node.nodes("definition", "definition_without_direct")), restrictions)


def _reference(node: Node) -> Rewrite:
    relation, *tupleset = [_word(one) for one in node.nodes("name")]
    if not tupleset:
        return Computed(relation.text, relation.place)
    return From(relation.text, tupleset[0].text, _span(relation, tupleset[0]), tupleset[0].place)


def _restriction(node: Node) -> Restriction:
    subject = next(node.nodes("subject"))
    kind, *relation = [_word(one) for one in subject.nodes("name")]
    star = next(subject.tokens("*"), None)
    named = next(node.nodes("condition_name"), None)
    condition = next(named.tokens(NAME)) if named else None
    last = relation[0] if relation else star or kind
    return Restriction(
        kind.text,
        relation[0].text if relation else "",
        star is not None,
        condition.text if condition else "",
        _span(kind, last),
        condition.place if condition else NOWHERE,
    )


def _parameter_type(node: Node) -> ParameterType:
    words = [part.text for part in node.parts if isinstance(part, Token) and part.text not in "<>"]
    return ParameterType(*words)


def _name(node: Node) -> Token:
    return _word(next(node.nodes("name")))


def _word(name: Node) -> Token:
    (token,) = name.parts
    assert isinstance(token, Token)
    return token


def _span(first: Token, last: Token) -> Place:
    return Place(first.place.line, first.place.column, last.place.end)
