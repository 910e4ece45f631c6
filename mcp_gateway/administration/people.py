"""Who exists: users of the built-in login and registered agents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import anyio.to_thread

from mcp_gateway.administration.changes import Part
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import GATEWAY, LOCAL_ISSUER, AgentId, UserId, agent_id, user_id
from mcp_gateway.storage.grants import grant_rows, revoke_grant
from mcp_gateway.storage.oauth import AgentRow, agent_of, all_agents, revoke_user, write_agent
from mcp_gateway.storage.relationships import RelationshipTuple, delete_tuple, matching, write_tuple

FIRST_USER = "admin"
_FIRST_ADMINISTRATOR = user_id(LOCAL_ISSUER, FIRST_USER)
_ADMINISTRATORS = "group:admins"
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KnownUser(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def id(self) -> UserId: ...
    @property
    def since(self) -> str:
        """ISO 8601, when the password was set."""
        ...


class Users(Protocol):
    """The built-in login's users; each method may block on a file and a slow hash. OperatorError says what is wrong."""

    def rows(self) -> Sequence[KnownUser]: ...
    def add(self, name: str, password: str) -> KnownUser: ...
    def set_password(self, name: str, password: str) -> None: ...
    def remove(self, name: str) -> None: ...
    def first_start(self) -> str | None:
        """Make the first user where there are none; returns its password, None when there are users."""
        ...


class People(Part):
    _users: Users

    async def setup(self, *, actor: str) -> str | None:
        """Make the first administrator where nobody exists yet; returns the password, which is stored nowhere.

        The rights come first, so a start that is cut off in between is completed by the next.
        """
        administered = await matching(self._database, object=GATEWAY, relation="administrator")
        if administered and await self.user_list():
            return None
        members = f"{_ADMINISTRATORS}#member"
        async with self._changes.open("setup", actor, user=_FIRST_ADMINISTRATOR) as transaction:
            await write_tuple(transaction, RelationshipTuple(_ADMINISTRATORS, "member", _FIRST_ADMINISTRATOR))
            await write_tuple(transaction, RelationshipTuple(GATEWAY, "administrator", members))
        return await anyio.to_thread.run_sync(self._users.first_start)

    async def user_list(self) -> Sequence[KnownUser]:
        return await anyio.to_thread.run_sync(self._users.rows)

    async def user_add(self, name: str, password: str, *, actor: str) -> KnownUser:
        async with self._changes.around("user.added", actor, user=name[:64]):
            return await anyio.to_thread.run_sync(self._users.add, name, password)

    async def user_password(self, name: str, password: str, *, actor: str) -> None:
        """Set a new password and end every sign-in made with the old one."""
        user = await self._known(name)
        async with self._changes.around("user.password_set", actor, user=user):
            await anyio.to_thread.run_sync(self._users.set_password, name, password)
            async with self._database.write(actor) as transaction:
                await revoke_user(transaction, user)

    async def user_remove(self, name: str, *, actor: str) -> None:
        """Remove a user and everything that names them, so that nobody inherits it with the name."""
        user = await self._known(name)
        facts = await matching(self._database, subject=user)
        grants = [row for row in await grant_rows(self._database) if row.audience == user and row.revoked_at is None]
        # The rights go first: should the file then fail, a user without rights is left, and the command can be repeated.
        async with self._changes.open("user.removed", actor, user=user) as transaction:
            await revoke_user(transaction, user)
            for row in grants:
                await revoke_grant(transaction, row)
            for fact in facts:
                await delete_tuple(transaction, fact)
        await anyio.to_thread.run_sync(self._users.remove, name)

    async def agent_list(self) -> list[AgentRow]:
        """Every agent that is configured, was added or has registered itself."""
        return await all_agents(self._database)

    async def agent_add(self, client_id: str, *, redirect_uris: Sequence[str], name: str | None, actor: str) -> AgentId:
        """Register an agent with a stable id, in addition to those of the settings."""
        if not _CLIENT_ID.fullmatch(client_id):
            raise OperatorError(
                "an agent's id has 1 to 64 letters, digits, dots, dashes, underscores", where=client_id[:64]
            )
        if await agent_of(self._database, client_id) is not None:
            raise OperatorError("this agent exists", where=client_id, remedy="mcp-gateway agent list")
        identifier = agent_id(LOCAL_ISSUER, client_id)
        async with self._changes.open(
            "agent.added", actor, agent=identifier, redirect_uris=list(redirect_uris)
        ) as transaction:
            row = AgentRow(
                id=identifier,
                client_id=client_id,
                kind="added",
                state="active",
                name=name or client_id,
                metadata={"redirect_uris": list(redirect_uris)},
                created_at=transaction.now,
                last_used_at=None,
            )
            await write_agent(transaction, row)
        return identifier

    async def _known(self, name: str) -> UserId:
        names = {row.name for row in await self.user_list()}
        if name not in names:
            raise OperatorError("there is no such user", where=name[:64], remedy="mcp-gateway user list")
        return user_id(LOCAL_ISSUER, name)
