"""`python -m tests.page.pictures [FOLDER]` takes the pictures of the page in docs/images anew, after `make page` has
installed what it needs: whoever changes what the page looks like does.
"""

import asyncio
import json
import sys
from pathlib import Path

from tests.page import plants

ROOT = Path(__file__).parents[2]
SHOTS = {
    "page": {"width": 1280, "height": 900, "tall": 1530, "scheme": "light", "scale": 0.75, "from": "", "lines": 6},
    "wall": {"width": 1920, "height": 1080, "tall": 1080, "scheme": "light", "scale": 7 / 12, "from": "", "lines": 40},
    "page-dark": {
        "width": 820,
        "height": 1018,
        "tall": 1018,
        "scheme": "dark",
        "scale": 0.85,
        "from": "text=The last twelve hours",
        "lines": 6,
    },
}
"""As `node/shoot.mjs` takes them; `lines` of a plant in which something is wrong."""


async def take(folder: Path) -> None:
    """Write each as NAME.webp."""
    async with plants.server(6, faulty=True) as few, plants.server(40, faulty=True) as many:
        shots = [
            {
                **shot,
                "url": f"{(few if shot['lines'] == 6 else many).url}/{'wall' if name == 'wall' else ''}",
                "file": str(folder / f"{name}.webp"),
            }
            for name, shot in SHOTS.items()
        ]
        process = await asyncio.create_subprocess_exec(
            *("node", str(Path(__file__).with_name("node") / "shoot.mjs"), str(ROOT / ".peers/page")),
            stdin=asyncio.subprocess.PIPE,
        )
        await process.communicate(json.dumps(shots).encode())
        if process.returncode:
            sys.exit(process.returncode)


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs/images"))
