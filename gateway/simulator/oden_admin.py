"""The admin port of the Oden stand-in: faults and modes while it runs, in JSON.

    GET    /faults      {"faults": [{"number", "fault", "struck"}], "requests": {endpoint: count}}
    POST   /faults      {"kind": "close", "commit": 5, "at": "interval/set", ...} -> {"number"}
    DELETE /faults      ends all of them; /faults/3 ends that one
    GET    /modes       the modes; POST changes those that are given

Whatever is wrong is answered with 400 (404 for a fault that is not there) and {"error"}. It is open to whoever reaches
it: the stand-in guards nothing.
"""

import json
from dataclasses import asdict

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.errors import GatewayError
from gateway.simulator.oden_faults import FaultError, make_fault
from gateway.simulator.oden_model import OdenModel
from gateway.simulator.oden_modes import read_modes
from gateway.simulator.oden_plan import FaultPlan


def make_admin(plan: FaultPlan, model: OdenModel) -> web.Application:
    """The application that shows and changes `plan` and the modes of `model`."""
    admin = _Admin(plan, model)
    app = web.Application(middlewares=[_say_why])
    app.add_routes(
        [
            web.get("/faults", admin.list),
            web.post("/faults", admin.add),
            web.delete("/faults", admin.clear),
            web.delete(r"/faults/{number:\d{1,9}}", admin.remove),
            web.get("/modes", admin.modes),
            web.post("/modes", admin.change_modes),
        ]
    )
    return app


class _Admin:
    def __init__(self, plan: FaultPlan, model: OdenModel) -> None:
        self._plan = plan
        self._model = model

    async def list(self, _request: web.Request) -> web.Response:
        faults = [
            {"number": one.number, "fault": one.fault.words, "struck": one.struck}
            for one in self._plan.in_force.values()
        ]
        return web.json_response({"faults": faults, "requests": self._plan.requests})

    async def add(self, request: web.Request) -> web.Response:
        given = await _object(request)
        kind = given.pop("kind", None)
        if not isinstance(kind, str):
            raise FaultError("a fault needs its kind, as text")
        return web.json_response({"number": self._plan.add(make_fault(kind, **given))})

    async def clear(self, _request: web.Request) -> web.Response:
        self._plan.clear()
        return web.json_response({})

    async def remove(self, request: web.Request) -> web.Response:
        if not self._plan.remove(int(request.match_info["number"])):
            return web.json_response({"error": "there is no such fault"}, status=404)
        return web.json_response({})

    async def modes(self, _request: web.Request) -> web.Response:
        return web.json_response(asdict(self._model.modes))

    async def change_modes(self, request: web.Request) -> web.Response:
        self._model.modes = read_modes(await _object(request), self._model.modes)
        return web.json_response(asdict(self._model.modes))


@web.middleware
async def _say_why(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except GatewayError as error:
        return web.json_response({"error": str(error)}, status=400)


async def _object(request: web.Request) -> dict[str, object]:
    try:
        value = json.loads(await request.read())
    except ValueError:
        raise FaultError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise FaultError("the body must be a JSON object")
    return value
