"""How long do ``roofline predict``, help and completion take, beside a bare ``import numpy``, and how much memory?

All run in turn, several times, because on a shared machine only what is measured side by side can be
compared; the fastest of each counts. CPU is the least that all its threads and children together took.

    python benchmarks/startup.py            a table
    python benchmarks/startup.py --check    exit status 1 above 5 times numpy or 120 MB (help, completion: above numpy)
    python benchmarks/startup.py --quick    one round
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 9
LARGEST_RATIO, LARGEST_MB = 5.0, 120.0
ROOFLINE = "from roofline.cli import main; main({!r})"
COMPLETION = "import os; os.environ.update(_ROOFLINE_COMPLETE='bash_complete', COMP_WORDS={!r}, COMP_CWORD='{}'); "
COMMANDS = {
    "python": "pass",
    "import numpy": "import numpy",
    "import roofline": "import roofline",
    "roofline --version": ROOFLINE.format(["--version"]),
    "roofline --help": ROOFLINE.format(["--help"]),
    "roofline p<Tab>": COMPLETION.format("roofline p", 1) + ROOFLINE.format([]),
    "roofline predict r<Tab>": COMPLETION.format("roofline predict r", 2) + ROOFLINE.format([]),
    "roofline predict --help": ROOFLINE.format(["predict", "--help"]),
    "roofline.predict": "import roofline; roofline.predict",
    "roofline predict": ROOFLINE.format(["predict", "rtx-2070", "-w", "resnet50"]),
    "roofline predict --json": ROOFLINE.format(["predict", "rtx-2070", "-w", "resnet50", "--json"]),
    "roofline compare": ROOFLINE.format(["compare", "gtx-980", "rtx-2070", "-w", "resnet50"]),
}
LIGHT = ("roofline --version", "roofline --help", "roofline p<Tab>", "roofline predict r<Tab>")
"""What shall not take longer than ``import numpy``."""


def run(code: str) -> tuple[float, float, float]:
    """Seconds, seconds of CPU and megabytes (peak resident memory) of one Python process."""
    with tempfile.TemporaryFile() as sink:
        start = time.perf_counter()
        actions = [(os.POSIX_SPAWN_DUP2, sink.fileno(), stream) for stream in (1, 2)]
        child = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ, file_actions=actions)
        _, status, usage = os.wait4(child, 0)
        took = time.perf_counter() - start
        if status:
            sink.seek(0)
            sys.exit(f"{code}\nfailed:\n{sink.read().decode()}")
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6


def main() -> int:
    os.chdir(Path(__file__).resolve().parent.parent)
    quick = "--quick" in sys.argv
    for code in () if quick else COMMANDS.values():  # once for the disk
        run(code)
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    cpu = dict.fromkeys(COMMANDS, float("inf"))
    peak = dict.fromkeys(COMMANDS, 0.0)
    for _ in range(1 if quick else ROUNDS):
        for name, code in COMMANDS.items():
            took, busy, memory = run(code)
            seconds[name].append(took)
            cpu[name] = min(cpu[name], busy)
            peak[name] = max(peak[name], memory)
    numpy = min(seconds["import numpy"])
    print(f"{'':26}{'fastest':>10}{'median':>10}{'CPU':>10}{'x numpy':>9}{'peak':>10}")
    for name, values in seconds.items():
        middle = sorted(values)[len(values) // 2]
        times = f"{1e3 * min(values):>7.0f} ms{1e3 * middle:>7.0f} ms{1e3 * cpu[name]:>7.0f} ms"
        print(f"{name:26}{times}{min(values) / numpy:>9.2f}{peak[name]:>7.0f} MB")
    ratio = min(seconds["roofline predict"]) / numpy
    good = ratio <= LARGEST_RATIO and peak["roofline predict"] <= LARGEST_MB
    good = good and all(min(seconds[name]) <= numpy for name in LIGHT)
    return 0 if good or "--check" not in sys.argv else 1


if __name__ == "__main__":
    sys.exit(main())
