"""Typed values of conditions: from JSON to what CEL computes with. Pure; every refusal is a ValueError without the value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from mcp_gateway.authorization.language.syntax import ParameterType

# ASCII throughout: digits of other scripts look like numbers and are none.
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_GO_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_MICROSECONDS = {"ns": 1e-3, "us": 1, "µs": 1, "μs": 1, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}
_MAX_ELEMENTS = 1000


def cast_value(value: Any, kind: ParameterType) -> Any:
    """`value` as `kind`; ValueError when it is something else."""
    if kind.name == "list":
        return _list(value, ParameterType(kind.element))
    if kind.name == "map":
        return _map(value, ParameterType(kind.element))
    return _SCALARS[kind.name](value)


def epoch_seconds(text: Any) -> float:
    """An RFC 3339 time as seconds since the epoch."""
    return _timestamp(text).timestamp()


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("not a bool")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value


def _integer(value: Any, low: int, high: int) -> int:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError("not an integer in range")
    return value


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("not a number")
    number = float(value)
    if number - number != 0:
        raise ValueError("not a finite number")
    # A string promises every digit: OpenFGA takes "0.5", but "0.1" no double can hold.
    if isinstance(value, str) and Decimal(value) != Decimal(number):
        raise ValueError("not exactly a double")
    return number


def _timestamp(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("not an RFC 3339 time with a zone")
    date, clock, fraction, zone = match.groups()
    return datetime.fromisoformat(f"{date}T{clock}.{(fraction or '0')[:6]:0<6}{zone.upper().replace('Z', '+00:00')}")


def _duration(value: Any) -> timedelta:
    """As Go writes one: `1h30m`, `-1.5s`, `0`."""
    text = _string(value)
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return timedelta()
    if not digits or _GO_DURATION.sub("", digits):
        raise ValueError("not a duration")
    microseconds = sum(float(count) * _MICROSECONDS[unit] for count, unit in _GO_DURATION.findall(digits))
    try:
        return sign * timedelta(microseconds=microseconds)
    except OverflowError as exc:
        raise ValueError("a duration out of range") from exc


def _address(value: Any) -> str:
    return str(address(_string(value)))


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IP address; an IPv4 one mapped into IPv6 is the IPv4 one."""
    found = ipaddress.ip_address(text)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _list(value: Any, element: ParameterType) -> list[Any]:
    values = cast("list[Any]", value) if isinstance(value, list) else None
    if values is None or len(values) > _MAX_ELEMENTS:
        raise ValueError("not a list, or too long")
    return [cast_value(one, element) for one in values]


def _map(value: Any, element: ParameterType) -> dict[str, Any]:
    values = cast("Mapping[Any, Any]", value) if isinstance(value, Mapping) else None
    if values is None or len(values) > _MAX_ELEMENTS:
        raise ValueError("not a map, or too long")
    return {_string(key): cast_value(one, element) for key, one in values.items()}


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "bool": _bool,
    "string": _string,
    "int": lambda value: _integer(value, -(2**63), 2**63 - 1),
    "uint": lambda value: _integer(value, 0, 2**64 - 1),
    "double": _double,
    "duration": _duration,
    "timestamp": _timestamp,
    "ipaddress": _address,
}
