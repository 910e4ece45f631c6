"""Tickets and projects, in memory. Knows nothing of MCP; a restart brings the sample data back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["open", "in_progress", "closed"]
Priority: TypeAlias = Literal["low", "normal", "high"]


class NotFound(Exception):
    """No such ticket or project; the message names the id."""


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    name: str
    lead: str
    description: str


@dataclass(frozen=True, slots=True)
class Comment:
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Ticket:
    id: str
    project: str
    title: str
    description: str
    status: Status = "open"
    priority: Priority = "normal"
    assignee: str | None = None
    comments: tuple[Comment, ...] = ()


class Board:
    """Every change replaces a frozen ticket, so a reader never sees half of one."""

    def __init__(self, projects: Iterable[Project], tickets: Iterable[Ticket]) -> None:
        self._projects = {project.id: project for project in projects}
        self._tickets = {ticket.id: ticket for ticket in tickets}
        self._last_number = 999

    def projects(self) -> list[Project]:
        return list(self._projects.values())

    def project(self, project_id: str) -> Project:
        try:
            return self._projects[project_id]
        except KeyError:
            raise NotFound(f"no project {project_id}") from None

    def ticket(self, ticket_id: str) -> Ticket:
        try:
            return self._tickets[ticket_id]
        except KeyError:
            raise NotFound(f"no ticket {ticket_id}") from None

    def tickets(self, project_id: str, *, status: Status | None = None) -> list[Ticket]:
        self.project(project_id)
        in_project = (ticket for ticket in self._tickets.values() if ticket.project == project_id)
        return [ticket for ticket in in_project if status is None or ticket.status == status]

    def matching(self, project_id: str, query: str) -> list[Ticket]:
        """Tickets of one project whose title or description holds `query`, letter case aside."""
        wanted = query.casefold()
        return [
            ticket
            for ticket in self.tickets(project_id)
            if wanted in ticket.title.casefold() or wanted in ticket.description.casefold()
        ]

    def create(self, project_id: str, *, title: str, description: str, priority: Priority) -> Ticket:
        self.project(project_id)
        self._last_number += 1
        ticket = Ticket(f"T-{self._last_number}", project_id, title, description, priority=priority)
        self._tickets[ticket.id] = ticket
        return ticket

    def comment(self, ticket_id: str, *, author: str, text: str) -> Ticket:
        ticket = self.ticket(ticket_id)
        return self._put(replace(ticket, comments=(*ticket.comments, Comment(author, text))))

    def update(
        self,
        ticket_id: str,
        *,
        status: Status | None = None,
        priority: Priority | None = None,
        assignee: str | None = None,
    ) -> Ticket:
        """Set what is given, keep the rest."""
        ticket = self.ticket(ticket_id)
        return self._put(
            replace(
                ticket,
                status=status or ticket.status,
                priority=priority or ticket.priority,
                assignee=assignee or ticket.assignee,
            )
        )

    def delete(self, ticket_id: str) -> Ticket:
        ticket = self.ticket(ticket_id)
        del self._tickets[ticket_id]
        return ticket

    def _put(self, ticket: Ticket) -> Ticket:
        self._tickets[ticket.id] = ticket
        return ticket


def sample_board() -> Board:
    """Three projects; HR is the one most people may not see."""
    return Board(
        projects=[
            Project("PAY", "Payments", "mira", "Card and bank payments"),
            Project("WEB", "Website", "jonas", "The public website"),
            Project("HR", "People", "ines", "Personnel matters, confidential"),
        ],
        tickets=[
            Ticket("T-391", "PAY", "Refund fails for split payments", "A refund of a split payment answers 500.",
                   "in_progress", "high", "mira", (Comment("jonas", "Happens since release 4.2."),)),
            Ticket("T-392", "PAY", "Show the exchange rate on receipts", "Customers ask which rate was used."),
            Ticket("T-401", "PAY", "Rotate the bank's certificate", "It expires at the end of the month.", "open", "high"),
            Ticket("T-512", "WEB", "Footer links to the old imprint", "Two pages still link to it.", "closed", "low"),
            Ticket("T-513", "WEB", "Search ignores umlauts", "Searching Muenchen does not find München."),
            Ticket("T-998", "HR", "Onboarding for January", "Four people start on the 7th.", assignee="ines"),
            Ticket("T-999", "HR", "Salary review 2027", "Proposals per department.", "open", "high", "ines"),
        ],
    )  # fmt: skip
