"""The FastAPI application: notes in a store that the lifespan opens once per process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Annotated, TypedDict

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel, Field

_startups = count(1)


class Note(BaseModel):
    """A note, as clients send and receive it."""

    text: Annotated[str, Field(min_length=1, max_length=200)]


class Status(BaseModel):
    """Counts since the process started."""

    startups: int
    requests: int
    notes: int


@dataclass
class Store:
    """Notes in memory, in the place of a connection pool."""

    startups: int
    requests: int = 0
    notes: list[Note] = field(default_factory=list)


class State(TypedDict):
    """The lifespan state that every request receives."""

    store: Store


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    """Open the store before the first request."""
    yield {"store": Store(startups=next(_startups))}


async def opened_store(request: Request) -> Store:
    """Return the store that the lifespan opened."""
    store: Store = request.state.store
    store.requests += 1
    return store


OpenedStore = Annotated[Store, Depends(opened_store)]
fastapi_app = FastAPI(title="Notes", version="2", lifespan=lifespan)


@fastapi_app.get("/")
async def status(store: OpenedStore) -> Status:
    """Return the number of start-ups, which stays at one, and of requests."""
    return Status(startups=store.startups, requests=store.requests, notes=len(store.notes))


@fastapi_app.get("/notes")
async def list_notes(store: OpenedStore) -> list[Note]:
    """Return the latest notes."""
    return store.notes


@fastapi_app.post("/notes", status_code=201)
async def add_note(note: Note, store: OpenedStore) -> Note:
    """Add a note; beyond a hundred, the oldest is dropped."""
    store.notes = [*store.notes[-99:], note]
    return note
