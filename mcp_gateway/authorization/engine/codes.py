"""OpenFGA's refusals: their numbers, the words its HTTP API uses for them, and the one error that carries them."""

from __future__ import annotations

from enum import IntEnum

from mcp_gateway.errors import AuthorizationUnavailable


class FgaCode(IntEnum):
    """The number gRPC and OpenFGA's tests use; over HTTP it is its name in small letters."""

    VALIDATION_ERROR = 2000
    AUTHORIZATION_MODEL_NOT_FOUND = 2001
    AUTHORIZATION_MODEL_RESOLUTION_TOO_COMPLEX = 2002
    INVALID_WRITE_INPUT = 2003
    CANNOT_ALLOW_DUPLICATE_TUPLES_IN_ONE_REQUEST = 2004
    CANNOT_ALLOW_DUPLICATE_TYPES_IN_ONE_REQUEST = 2005
    CANNOT_ALLOW_MULTIPLE_REFERENCES_TO_ONE_RELATION = 2006
    INVALID_CONTINUATION_TOKEN = 2007
    INVALID_TUPLE_SET = 2008
    INVALID_CHECK_INPUT = 2009
    INVALID_EXPAND_INPUT = 2010
    UNSUPPORTED_USER_SET = 2011
    INVALID_OBJECT_FORMAT = 2012
    WRITE_FAILED_DUE_TO_INVALID_INPUT = 2017
    AUTHORIZATION_MODEL_ASSERTIONS_NOT_FOUND = 2018
    LATEST_AUTHORIZATION_MODEL_NOT_FOUND = 2020
    TYPE_NOT_FOUND = 2021
    RELATION_NOT_FOUND = 2022
    EMPTY_RELATION_DEFINITION = 2023
    INVALID_USER = 2025
    INVALID_TUPLE = 2027
    UNKNOWN_RELATION = 2028
    STORE_ID_INVALID_LENGTH = 2030
    ASSERTIONS_TOO_MANY_ITEMS = 2033
    ID_TOO_LONG = 2034
    AUTHORIZATION_MODEL_ID_TOO_LONG = 2036
    TUPLE_KEY_VALUE_NOT_SPECIFIED = 2037
    TUPLE_KEYS_TOO_MANY_OR_TOO_FEW_ITEMS = 2038
    PAGE_SIZE_INVALID = 2039
    PARAM_MISSING_VALUE = 2040
    DIFFERENCE_BASE_MISSING_VALUE = 2041
    SUBTRACT_BASE_MISSING_VALUE = 2042
    OBJECT_TOO_LONG = 2043
    RELATION_TOO_LONG = 2044
    TYPE_DEFINITIONS_TOO_FEW_ITEMS = 2045
    TYPE_INVALID_LENGTH = 2046
    TYPE_INVALID_PATTERN = 2047
    RELATIONS_TOO_FEW_ITEMS = 2048
    RELATIONS_TOO_LONG = 2049
    RELATIONS_INVALID_PATTERN = 2050
    OBJECT_INVALID_PATTERN = 2051
    QUERY_STRING_TYPE_CONTINUATION_TOKEN_MISMATCH = 2052
    EXCEEDED_ENTITY_LIMIT = 2053
    INVALID_CONTEXTUAL_TUPLE = 2054
    DUPLICATE_CONTEXTUAL_TUPLE = 2055
    INVALID_AUTHORIZATION_MODEL = 2056
    UNSUPPORTED_SCHEMA_VERSION = 2057
    CANCELLED = 2058
    THROTTLED_TIMEOUT_ERROR = 3500
    INTERNAL_ERROR = 4000
    DEADLINE_EXCEEDED = 4004
    RESOURCE_EXHAUSTED = 4006
    ABORTED = 4008
    UNAVAILABLE = 4010
    UNDEFINED_ENDPOINT = 5000
    STORE_ID_NOT_FOUND = 5002

    @property
    def word(self) -> str:
        """`code` of an HTTP error body."""
        return self.name.lower()

    @property
    def http_status(self) -> int:
        return _STATUS[self // 1000]


_STATUS = {2: 400, 3: 422, 4: 500, 5: 404}


def code_of(word: str) -> FgaCode | None:
    """The code an HTTP error body names; None when we do not know the word."""
    return FgaCode.__members__.get(word.upper())


class RequestRefused(AuthorizationUnavailable):
    """A question or a write OpenFGA answers with an error; whoever asked for a permission has none.

    `code` stays the gateway's reason; `number` is OpenFGA's.
    """

    def __init__(self, number: FgaCode, detail: str) -> None:
        super().__init__(detail)
        self.number = number
