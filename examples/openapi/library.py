"""A lending library: plain FastAPI, whose own document becomes the tools."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Query, Response
from pydantic import BaseModel, Field


class NewBook(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    author: str
    year: int | None = None


class Book(NewBook):
    id: str
    lent_to: str | None = None


class Shelf(BaseModel):
    books: list[Book]


def make_app() -> FastAPI:
    """A library of its own, with two books in it."""
    app = FastAPI(title="Library", version="1.0.0", description="Books, and who has them.")
    books = {
        "b1": Book(id="b1", title="The Dispossessed", author="Le Guin", year=1974),
        "b2": Book(id="b2", title="Solaris", author="Lem", year=1961, lent_to="mira"),
    }

    def known(book_id: str) -> Book:
        if book_id not in books:
            raise HTTPException(404, detail="there is no such book")
        return books[book_id]

    @app.get("/books", operation_id="book_search", summary="Find books")
    def book_search(
        text: Annotated[str, Query(description="In title or author; empty finds all.")] = "",
        order: Literal["title", "year"] = "title",
    ) -> Shelf:
        found = [book for book in books.values() if text.lower() in f"{book.title} {book.author}".lower()]
        return Shelf(books=sorted(found, key=lambda book: (getattr(book, order) or 0, book.id)))

    @app.get("/books/{book_id}", operation_id="book_get", summary="One book")
    def book_get(book_id: str) -> Book:
        return known(book_id)

    @app.post("/books", operation_id="book_add", summary="Put a new book on the shelf", status_code=201)
    def book_add(book: NewBook) -> Book:
        stored = Book(id=f"b{len(books) + 1}", **book.model_dump())
        books[stored.id] = stored
        return stored

    @app.put("/books/{book_id}/loan", operation_id="book_lend", summary="Lend a book to somebody")
    def book_lend(book_id: str, to: str) -> Book:
        book = known(book_id)
        if book.lent_to not in (None, to):
            raise HTTPException(409, detail="somebody else has it")
        book.lent_to = to
        return book

    @app.delete("/books/{book_id}", operation_id="book_remove", summary="Take a book out for good", status_code=204)
    def book_remove(book_id: str) -> Response:
        del books[known(book_id).id]
        return Response(status_code=204)

    return app
