"""Oden's query language."""

from gateway.oden.models.base import Model


class OQLQuery(Model):
    """A query in OQL."""

    query: str
