"""A model whose searches see what was written only some time later, as with an index that follows its data.

Pure: whoever drives it says what time it is.
"""

from collections import deque
from copy import deepcopy

from gateway.simulator.oden_model import READS, Answer, OdenModel
from gateway.simulator.oden_modes import Modes


class Lagging:
    """`model`, with searches answered as of `model.modes.search_lag` seconds ago.

    The lag counts from the first request that it holds for: what was there before is seen at once.
    """

    def __init__(self, model: OdenModel) -> None:
        self.model = model
        self._seen: OdenModel | None = None
        self._unseen: deque[tuple[float, str, bytes]] = deque()

    def answer(self, path: str, body: bytes, now: float) -> Answer:
        """Answer a POST of `body` to `path` at `now`, in seconds; times never go back."""
        modes = self.model.modes
        if modes.search_lag == 0:
            self._seen = None
            self._unseen.clear()
            return self.model.answer(path, body)
        if self._seen is None:
            self._seen = deepcopy(self.model)
        self._seen.modes = Modes()  # what was accepted then is accepted, whatever holds now
        while self._unseen and self._unseen[0][0] <= now - modes.search_lag:
            _, written_to, written = self._unseen.popleft()
            self._seen.answer(written_to, written)
        if path.partition("?")[0].endswith(READS):
            self._seen.modes = modes
            return self._seen.answer(path, body)
        answer = self.model.answer(path, body)
        if answer.status == 200:
            self._unseen.append((now, path, body))
        return answer
