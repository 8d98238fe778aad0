"""Redaction of secrets in text from outside before it enters an error or a record.

It hides the values of environment variables that may be secrets (SECRET); user, password and query of any
address, in the environment or in the text; and keys by their looks (LOOKS).
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

SECRET = re.compile(r"(KEYS?|TOKEN|SECRETS?|PASSWORDS?|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)
"""The end of a word in the name of an environment variable whose value is not shown; TOKENS are a number."""
PLACEHOLDERS = frozenset(
    (
        *("ollama", "lm-studio", "localhost", "none", "empty", "dummy", "placeholder", "anything"),
        *("dummy-key", "not-needed", "not-required", "no-key-needed", "no-key-required"),
    )
)
"""Values, in small letters, for servers that ask for no key: they stand in commands and names of models."""
SHORTEST = 8
"""Characters of a value that is looked for in any text; a shorter one stands in too many words."""
HIDDEN = "[hidden]"
LOOKS = (
    (re.compile(r"(\bBearer\s+)(?!\[)[^\s'\",;)]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(\bsk-)[\w-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(\b[\w+.-]+://)[^\s/?#'\"<>]*@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(\b[\w+.-]+://[^\s?#'\"<>]*\?)(?!\[)[^\s#'\"<>;,)]+"), rf"\1{HIDDEN}"),
)
"""Secrets by their looks: after Bearer, after sk-, before the @ of an address, in the query of one."""


def redact(text: str) -> str:
    """The text without what may be a secret.

    >>> redact("no s3://SECRET@bucket/x, nor http://h/v1?sig=abc; see http://h/v1")
    'no s3://[hidden]@bucket/x, nor http://h/v1?[hidden]; see http://h/v1'
    """
    for name, value in _values():
        text = text.replace(value, f"[{name}]")
    for pattern, replacement in LOOKS:
        text = pattern.sub(replacement, text)
    return text


def redacted(value: Any) -> Any:
    """A JSON value with all its strings redacted; names of fields too."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redacted(k): redacted(v) for k, v in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [redacted(v) for v in cast("list[Any]", value)]
    return value


def _values() -> list[tuple[str, str]]:
    """(variable, a secret of its value), in every spelling, the longest secret first."""
    variables: dict[str, str] = {}
    for name, value in os.environ.items():
        secrets = [value] if SECRET.search(name) else []
        for secret in filter(_secret, (*secrets, *_of_address(value))):
            for spelling in _spellings(secret):
                if len(spelling) >= SHORTEST:
                    variables.setdefault(spelling, name)
    return sorted(((name, value) for value, name in variables.items()), key=lambda pair: -len(pair[1]))


def _secret(value: str) -> bool:
    """Whether a value may be a secret: neither a placeholder nor a number, which other text has."""
    return not value.isdecimal() and value.lower() not in PLACEHOLDERS


def _of_address(value: str) -> Iterator[str]:
    """User, password and the query's values of an address; nothing of other text."""
    if "://" not in value:
        return
    try:
        parts = urlsplit(value)
    except ValueError:
        return
    user, at, _ = parts.netloc.rpartition("@")
    if at:
        yield user
        yield from user.split(":", 1)
    if parts.query:
        yield parts.query
        yield from (parameter for _, parameter in parse_qsl(parts.query))


def _spellings(secret: str) -> set[str]:
    """A secret as addresses, JSON and headers write it."""
    return {
        secret,
        unquote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        b64encode(unquote(secret).encode()).decode(),
    }
