"""The OpenAPI document as its page shows it: operations by group, and the shapes that their fields lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tbot_web.support.openapi import Json

_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxLength": "at most {} characters",
    "pattern": "like {}",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of a type in words; `shape` is what it leads to."""

    text: str
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter or field; `place` is path, query or header for a parameter."""

    name: str
    type: tuple[Words, ...]
    required: bool
    meaning: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """A named schema: its fields, or the values it may have."""

    name: str
    meaning: str
    rows: tuple[Row, ...]
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address; `answer` is None for plain text of `media_type`."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    needs: str
    parameters: tuple[Row, ...]
    body: Shape | None
    answer: Shape | None
    media_type: str
    failures: tuple[str, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every parameter and field."""
        shapes = (shape for shape in (self.body, self.answer) if shape)
        return (*self.parameters, *(row for shape in shapes for row in shape.rows))


@dataclass(frozen=True, slots=True)
class Group:
    """The operations under one tag."""

    name: str
    purpose: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything the page shows; `problem` is the shape of every failure."""

    title: str
    version: str
    about: str
    groups: tuple[Group, ...]
    problem: Shape
    every_shape: dict[str, Shape]

    @classmethod
    def of(cls, document: Json) -> Reference:
        """Read an OpenAPI document of ours."""
        shapes = {name: _shape(name, schema) for name, schema in document["components"]["schemas"].items()}
        operations = [
            _operation(method.upper(), path, found, shapes)
            for path, methods in document["paths"].items()
            for method, found in methods.items()
        ]
        groups = (
            Group(tag["name"], tag["description"], tuple(one for one in operations if one.tag == tag["name"]))
            for tag in document["tags"]
        )
        info = document["info"]
        return cls(info["title"], info["version"], info["description"], tuple(groups), shapes["Problem"], shapes)

    @property
    def operations(self) -> list[Operation]:
        """Those of all groups."""
        return [one for group in self.groups for one in group.operations]

    @property
    def shapes(self) -> list[Shape]:
        """What the fields of the operations lead to, by name."""
        return self._reached(row for one in self.operations for row in one.rows)

    def matching(self, text: str) -> Reference:
        """Only the operations that say every word of `text`, in any case of letters, themselves or by their fields."""
        words = text.casefold().split()
        groups = []
        for group in self.groups:
            kept = tuple(one for one in group.operations if all(word in self._said_by(one) for word in words))
            groups += [replace(group, operations=kept)] if kept else []
        return replace(self, groups=tuple(groups))

    def _said_by(self, one: Operation) -> str:
        fields = [*one.rows, *(row for shape in self._reached(one.rows) for row in shape.rows)]
        said = [one.method, one.path, one.tag, one.summary, one.needs, *(f"{row.name} {row.meaning}" for row in fields)]
        return " ".join(said).casefold()

    def _reached(self, rows: Iterable[Row]) -> list[Shape]:
        """The shapes that rows lead to, and those that these lead to, by name."""
        found: dict[str, Shape] = {}
        ahead = list(_led_to(rows))
        while ahead:
            name = ahead.pop()
            if name not in found:
                found[name] = self.every_shape[name]
                ahead += _led_to(found[name].rows)
        return [shape for _, shape in sorted(found.items())]


def _led_to(rows: Iterable[Row]) -> Iterator[str]:
    return (words.shape for row in rows for words in row.type if words.shape)


def _operation(method: str, path: str, found: Json, shapes: dict[str, Shape]) -> Operation:
    ((media_type, answer),) = found["responses"]["200"]["content"].items()
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        id=found["operationId"],
        method=method,
        path=path,
        tag=found["tags"][0],
        summary=found["summary"],
        needs=found["description"],
        parameters=tuple(
            _row(one["name"], one["schema"] | {"description": one["description"]}, one["required"], one["in"])
            for one in found["parameters"]
        ),
        body=shapes.get(_referred(body.get("schema", {}))),
        answer=shapes.get(_referred(answer["schema"])),
        media_type=media_type,
        failures=tuple(status for status in found["responses"] if status not in {"200", "default"}),
    )


def _shape(name: str, schema: Json) -> Shape:
    required = schema.get("required", ())
    rows = (_row(field, found, field in required) for field, found in schema.get("properties", {}).items())
    return Shape(name, schema.get("description", ""), tuple(rows), tuple(map(str, schema.get("enum", ()))))


def _row(name: str, schema: Json, required: bool, place: str = "") -> Row:  # noqa: FBT001 - as the document says it
    meaning, default = schema.get("description", ""), schema.get("default")
    if default not in (None, ""):
        meaning = f"{meaning} Default {default}."
    return Row(name, tuple(_words(schema)), required, meaning, place)


def _words(schema: Json) -> Iterator[Words]:
    """The type in words: `list of X`, `X or null`, the values it may have, its bounds."""
    if shape := _referred(schema):
        yield Words(shape, shape)
    elif "anyOf" in schema:
        for number, one in enumerate(schema["anyOf"]):
            if number:
                yield Words(" or ")
            yield from _words(one)
    elif "enum" in schema:
        yield Words(", ".join(map(str, schema["enum"])))
    elif "const" in schema:
        yield Words(str(schema["const"]))
    else:
        yield from _plain_words(schema)


def _plain_words(schema: Json) -> Iterator[Words]:
    kind = schema.get("type", "any value")
    if kind == "array":
        yield Words("list of ")
        yield from _words(schema.get("items", {}))
    elif kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        yield Words("map to ")
        yield from _words(schema["additionalProperties"])
    else:
        bounds = [said.format(schema[name]) for name, said in _LIMITS.items() if name in schema]
        yield Words(", ".join([kind, *bounds]))


def _referred(schema: Json) -> str:
    """The name of the schema that is referred to, empty for none."""
    reference: str = schema.get("$ref", "")
    return reference.rpartition("/")[2]
