"""The status page while the gateway runs, and how it goes to another address: it is there before it leaves the old one,
or stays.
"""

from collections.abc import Callable, Iterable

from gateway.children import edge_child
from gateway.config.loader import Loaded
from gateway.config.schema_process import Status
from gateway.errors import ConfigFault, GatewayError
from gateway.health import Condition
from gateway.status.web import StatusServer
from gateway.supervisor import Child, Supervisor

NAME = "page"


class Page:
    """The page that is shown. `make` makes one as a section of the configuration has it."""

    def __init__(self, make: Callable[[Status], StatusServer]) -> None:
        self._make = make
        self._shown: StatusServer | None = None
        self._prepared: StatusServer | None = None

    def conditions(self, now: float) -> Iterable[Condition]:
        """What is wrong with it."""
        return self._shown.conditions(now) if self._shown is not None else ()

    def child(self, section: Status) -> Child:
        """One by `section`, to be started."""
        return self._child(self._make(section))

    async def prepare(self, supervisor: Supervisor, old: Status, loaded: Loaded) -> None:
        """Make one as `loaded` has it, which answers from now on where that is at another address than `old`'s; the
        one that is shown goes on. ConfigError where it cannot listen there.

        It may be the page itself that has the new address: where the port is the same and the host is another, the one
        that is shown ends before it is said to be taken, and `settle` has to start it again.
        """
        new = loaded.config.status
        self._prepared = page = self._make(new)
        if new.listen == old.listen:
            return
        try:
            try:
                await page.listen()
            except GatewayError:
                if _port(new) != _port(old) or not await supervisor.stop(NAME):
                    raise
                await page.listen()
        except GatewayError as error:
            raise loaded.error([ConfigFault(("status", "listen"), str(error))]) from None

    async def go_over(self, supervisor: Supervisor) -> None:
        """Show what was prepared, if anything was. GatewayError where the one of before does not end."""
        if self._prepared is not None:
            await supervisor.replace(edge_child(NAME, self._prepared))
            self._shown, self._prepared = self._prepared, None

    async def settle(self, supervisor: Supervisor, section: Status) -> None:
        """End what was prepared and is not shown, and show one by `section` where none is."""
        if self._prepared is not None:
            prepared, self._prepared = self._prepared, None
            await prepared.close()
        if not supervisor.runs(NAME):
            supervisor.start(self.child(section))

    def _child(self, page: StatusServer) -> Child:
        self._shown = page
        return edge_child(NAME, page)


def _port(section: Status) -> str:
    return section.listen.rpartition(":")[2]
