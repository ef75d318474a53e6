"""The bodies of answers that are no success, named as the document names its schemas and responses."""

from gateway.oden.models.base import Model


class GenericError(Model):
    """Of 401, 403, 404, 429 and 501. `retryable` says whether the same request may be taken later."""

    error: str
    retryable: bool | None = None


class ParameterError(GenericError):
    """Of 400: `name` is the parameter that is wrong."""

    name: str | None = None


class NotUniqueError(GenericError):
    """Of 409: how many of which entity fit what had to fit one."""

    entity_name: str | None = None
    num_matches: int | None = None


class InternalError(GenericError):
    """Of 500: `id` is what Oden's support finds the failure by."""

    id: str | None = None
