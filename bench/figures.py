"""What the code of the gateway amounts to: lines, modules and their sizes, and how complex its functions are.

Complexity is McCabe's, as ruff counts it (C901). The argument is the folder of another checkout, for a comparison.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).parents[1]
SMALL, LARGE = 60, 400
"""Lines of a module that is smaller than most need to be, and of one that is too large."""
WORST = 10
"""Functions that are named, the most complex ones first."""
COMMAND = [
    "check",
    "--isolated",
    "--select",
    "C901",
    "--config",
    "lint.mccabe.max-complexity=0",
    "--output-format=json",
]


def complexities(folder: Path) -> list[tuple[int, str]]:
    """Each function below `folder` with its complexity, the worst first."""
    ruff = [sys.executable, "-m", "ruff", *COMMAND, "--exit-zero", str(folder)]
    said = json.loads(subprocess.run(ruff, check=True, capture_output=True, text=True).stdout)
    measured = []
    for one in said:
        match = re.match(r"`(.*)` is too complex \((\d+) > 0\)", one["message"])
        if match is None:
            sys.exit(f"ruff says what this program does not understand: {one['message']}")
        file = Path(one["filename"]).relative_to(folder)
        measured.append((int(match[2]), f"{file}:{one['location']['row']} {match[1]}"))
    return sorted(measured, key=lambda pair: (-pair[0], pair[1]))


def main() -> None:
    """Print the figures."""
    package = (Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT) / "gateway"
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(package.rglob("*.py"))}
    modules = {path: size for path, size in sizes.items() if path.name != "__init__.py"}
    folders: dict[str, list[int]] = {}
    for path, size in sizes.items():
        folders.setdefault(path.relative_to(package).parts[0] if path.parent != package else ".", []).append(size)
    print(f"lines of gateway/: {sum(sizes.values())}")
    print(f"files: {len(sizes)}, of which {len(sizes) - len(modules)} are a package's __init__.py")
    print(f"under {SMALL} lines: {sum(size < SMALL for size in sizes.values())} files, ", end="")
    print(f"{sum(size < SMALL for size in modules.values())} without the packages' __init__.py")
    print(f"over {LARGE} lines: {sum(size > LARGE for size in modules.values())}")
    print("lines and files of each package:")
    for name, lines in folders.items():
        print(f"  {name:<12} {sum(lines):>6} {len(lines):>4}")
    measured = complexities(package)
    print(f"functions: {len(measured)}; complexity: mean {mean(number for number, _ in measured):.2f}", end="")
    print(f", worst {measured[0][0]}, over 10: {sum(number > 10 for number, _ in measured)}")
    for number, name in measured[:WORST]:
        print(f"  {number:>3}  {name}")


if __name__ == "__main__":
    main()
