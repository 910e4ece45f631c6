"""Kill switches: turn a user, an agent, a server, one thing it offers or the whole gateway off for the next call, and on again."""

from __future__ import annotations

from mcp_gateway.administration.changes import Part
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import GATEWAY, AgentId, UserId
from mcp_gateway.storage import Transaction
from mcp_gateway.storage.catalog import follow_switch
from mcp_gateway.storage.oauth import all_agents, revoke_agent, revoke_user
from mcp_gateway.storage.switches import SwitchRow, switch_off, switch_on, switched_off

_OFFERED = ("server", "tool", "prompt", "resource")
_KINDS = ("user", "agent", *_OFFERED)


class KillSwitches(Part):
    async def disable(self, object: str, *, reason: str, actor: str) -> bool:
        """Switch `object` off; False when it was off already.

        Of a user or an agent every sign-in so far is ended for good as well, so that nothing of it comes back
        when the switch is turned on again.
        """
        kind = _kind(object)
        if not reason.strip():
            raise OperatorError("switching off needs a reason", where="--reason")
        if object in {row.object for row in await self.disabled()}:
            return False
        agents = {row.id: row.client_id for row in await all_agents(self._database)} if kind == "agent" else {}
        async with self._changes.open(
            f"{kind}.disabled", actor, **{kind: object, "reason": reason.strip()}
        ) as transaction:
            changed = await switch_off(transaction, object, reason.strip())
            if kind == "user":
                await revoke_user(transaction, UserId(object))
            if kind == "agent":
                # One of another issuer has no sign-ins here; its tokens are ended all the same.
                await revoke_agent(transaction, AgentId(object), agents.get(AgentId(object), ""))
            await _follow(transaction, kind, object)
        return changed

    async def enable(self, object: str, *, actor: str) -> bool:
        """Switch `object` on again; False when it was not off. Users sign in anew."""
        kind = _kind(object)
        if object not in {row.object for row in await self.disabled()}:
            return False
        async with self._changes.open(f"{kind}.enabled", actor, **{kind: object}) as transaction:
            changed = await switch_on(transaction, object)
            await _follow(transaction, kind, object)
        return changed

    async def disabled(self) -> list[SwitchRow]:
        """Everything that is switched off, by id."""
        return await switched_off(self._database)


async def _follow(transaction: Transaction, kind: str, object: str) -> None:
    if kind in _OFFERED:
        await follow_switch(transaction, object)


def _kind(object: str) -> str:
    """Of an id that has a switch."""
    kind, _, name = object.partition(":")
    if object == GATEWAY:
        return "gateway"
    if kind not in _KINDS or not name or "*" in name or "#" in name:
        raise OperatorError(
            "only a user, an agent, a server, or a tool, prompt or resource of one can be switched off",
            where=object[:200],
        )
    return kind
