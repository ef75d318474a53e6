"""The endpoints of the Oden API v2 that the gateway uses, and how each may be repeated.

Source: Oden's OpenAPI document, `paths`; every call is a POST to `{url}/{object}/{action}`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One object and action. `answers_json` is whether a success must carry a JSON body to be believed."""

    object: str
    action: str
    answers_json: bool = True

    @property
    def path(self) -> str:
        return f"{self.object}/{self.action}"


LINE_SEARCH = Endpoint("line", "search")
INTERVAL_SET = Endpoint("interval", "set")
INTERVAL_SEARCH = Endpoint("interval", "search")
INTERVALS_SET = Endpoint("intervals", "set")
INTERVALS_UPDATE = Endpoint("intervals", "update")
SCRAP_YIELD_SET = Endpoint("scrap_yield", "set", answers_json=False)
SCRAP_YIELD_SEARCH = Endpoint("scrap_yield", "search")

ENDPOINTS = {
    endpoint.path: endpoint
    for endpoint in (
        LINE_SEARCH,
        INTERVAL_SET,
        INTERVAL_SEARCH,
        INTERVALS_SET,
        INTERVALS_UPDATE,
        SCRAP_YIELD_SET,
        SCRAP_YIELD_SEARCH,
    )
}
