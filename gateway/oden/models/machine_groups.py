"""Factories and lines (the document's tag "Machine Groups")."""

from gateway.oden.models.base import Match, Model


class Factory(Model):
    """A factory, known by `id` or by `name`."""

    id: str | None = None
    name: str | None = None
    secondary_name: str | None = None
    timezone: str | None = None
    match: Match | None = None


class Line(Model):
    """A production line, known by `id`, or by `name` and `factory`."""

    id: str | None = None
    name: str | None = None
    secondary_name: str | None = None
    factory: Factory | None = None
    match: Match | None = None
