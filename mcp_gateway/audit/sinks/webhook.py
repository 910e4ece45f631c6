"""Records to an HTTP receiver: their lines byte for byte, signed as Standard Webhooks says.

    POST <url>                          content-type: application/x-ndjson
    webhook-id: <same for the same records>
    webhook-timestamp: <epoch seconds>
    webhook-signature: v1,<base64 of HMAC-SHA256 over "id.timestamp.body">

What was stored elsewhere from the bodies verifies like the original. Any 2xx means: stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

from mcp_gateway.audit.sinks.reading import Batch
from mcp_gateway.audit.sinks.sink import Post, Posted, SinkFailure, Taken

_TOO_LARGE = 413


class WebhookSink:
    def __init__(self, post: Post, *, secret: Callable[[], bytes], clock: Callable[[], float] = time.time) -> None:
        self._post = post
        self._secret = secret
        self._clock = clock

    async def send(self, batch: Batch) -> Taken:
        body = batch.body()
        # The same for the same records, so that a second delivery can be told from a second event.
        identifier = hashlib.sha256(body).hexdigest()[:32]
        headers = signed(body, identifier=identifier, at=int(self._clock()), secret=self._secret())
        accepted(await self._post(body, {"content-type": "application/x-ndjson", **headers}))
        return Taken()

    async def aclose(self) -> None:
        await self._post.aclose()


def signed(body: bytes, *, identifier: str, at: int, secret: bytes) -> dict[str, str]:
    """The headers that prove who sent `body`, and when."""
    digest = hmac.new(secret, f"{identifier}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def key_of(secret: str) -> bytes:
    """A shared secret as bytes; `whsec_` says that the rest is base64."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_"))
    return secret.encode()


def accepted(answer: Posted) -> None:
    """Raises SinkFailure for everything but 2xx."""
    if not 200 <= answer.status < 300:
        raise SinkFailure(
            f"it answered {answer.status}",
            too_large=answer.status == _TOO_LARGE,
            retry_after=answer.retry_after,
        )
