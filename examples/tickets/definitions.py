"""The nine tools as MCP clients see them: names, descriptions, schemas, annotations. No behaviour."""

from __future__ import annotations

from typing import Any

import mcp_types as types

_TICKET_ID = {"type": "string", "pattern": "^T-[0-9]{1,9}$", "description": "Ticket id, e.g. T-391"}
_PROJECT_ID = {"type": "string", "pattern": "^[A-Z]{2,8}$", "description": "Project id, e.g. PAY"}
_STATUS = {"type": "string", "enum": ["open", "in_progress", "closed"]}
_PRIORITY = {"type": "string", "enum": ["low", "normal", "high"]}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 4000}


def _object(properties: dict[str, Any], *, required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_COMMENT = _object({"author": {"type": "string"}, "text": {"type": "string"}}, required=["author", "text"])
_TICKET = _object(
    {
        "id": {"type": "string"},
        "project": {"type": "string"},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "status": _STATUS,
        "priority": _PRIORITY,
        "assignee": {"type": ["string", "null"]},
        "comments": {"type": "array", "items": _COMMENT},
    },
    required=["id", "project", "title", "description", "status", "priority", "assignee", "comments"],
)
_PROJECT = _object(
    {name: {"type": "string"} for name in ("id", "name", "lead", "description")},
    required=["id", "name", "lead", "description"],
)
_TICKETS = _object({"tickets": {"type": "array", "items": _TICKET}}, required=["tickets"])
_PROJECTS = _object({"projects": {"type": "array", "items": _PROJECT}}, required=["projects"])
_DELETED = _object({"deleted": {"type": "string"}}, required=["deleted"])

_READ = types.ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_ADD = types.ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_SET = types.ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_DESTROY = types.ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)


def _tool(
    name: str,
    title: str,
    description: str,
    annotations: types.ToolAnnotations,
    *,
    takes: dict[str, Any],
    gives: dict[str, Any],
) -> types.Tool:
    return types.Tool(
        name=name,
        title=title,
        description=description,
        annotations=annotations,
        input_schema=takes,
        output_schema=gives,
    )


TOOLS: tuple[types.Tool, ...] = (
    _tool(
        "ticket_get", "Read a ticket", "Read one ticket with its status, priority, assignee and comments.", _READ,
        takes=_object({"id": _TICKET_ID}, required=["id"]), gives=_TICKET,
    ),
    _tool(
        "ticket_list", "List tickets", "List the tickets of one project, optionally only those of one status.", _READ,
        takes=_object({"project": _PROJECT_ID, "status": _STATUS}, required=["project"]), gives=_TICKETS,
    ),
    _tool(
        "ticket_search", "Search tickets",
        "Find tickets whose title or description holds a text, in the projects you name. Reports progress per project.",
        _READ,
        takes=_object(
            {
                "query": {"type": "string", "minLength": 1, "maxLength": 200, "description": "Text to look for"},
                "projects": {"type": "array", "items": _PROJECT_ID, "minItems": 1, "maxItems": 20, "uniqueItems": True},
            },
            required=["query", "projects"],
        ),
        gives=_TICKETS,
    ),
    _tool(
        "project_get", "Read a project", "Read one project: its name, lead and description.", _READ,
        takes=_object({"id": _PROJECT_ID}, required=["id"]), gives=_PROJECT,
    ),
    _tool(
        "project_list", "List projects", "List all projects with their names, leads and descriptions.", _READ,
        takes=_object({}, required=[]), gives=_PROJECTS,
    ),
    _tool(
        "ticket_create", "Create a ticket", "Open a new ticket in a project; answers the ticket with its new id.", _ADD,
        takes=_object(
            {"project": _PROJECT_ID, "title": {**_TEXT, "maxLength": 200}, "description": _TEXT, "priority": _PRIORITY},
            required=["project", "title"],
        ),
        gives=_TICKET,
    ),
    _tool(
        "ticket_comment", "Comment on a ticket", "Add a comment to a ticket; comments are never changed later.", _ADD,
        takes=_object(
            {"id": _TICKET_ID, "text": _TEXT, "author": {"type": "string", "minLength": 1, "maxLength": 100}},
            required=["id", "text"],
        ),
        gives=_TICKET,
    ),
    _tool(
        "ticket_update", "Update a ticket", "Set a ticket's status, priority or assignee; the rest stays.", _SET,
        takes=_object(
            {
                "id": _TICKET_ID,
                "status": _STATUS,
                "priority": _PRIORITY,
                "assignee": {"type": "string", "minLength": 1, "maxLength": 100},
            },
            required=["id"],
        ),
        gives=_TICKET,
    ),
    _tool(
        "ticket_delete", "Delete a ticket", "Delete a ticket and its comments for good. Cannot be undone.", _DESTROY,
        takes=_object({"id": _TICKET_ID}, required=["id"]), gives=_DELETED,
    ),
)  # fmt: skip
