"""Contestants in processes of their own, in turn, for several rounds; CPU seconds and peak memory beyond the data."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUNDS = int(os.environ.get("ROUNDS", "3"))


def cpu() -> float:
    """CPU seconds of this process and of its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident() -> float:
    """Resident memory now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak() -> float:
    """Most memory that was resident at any time, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def run(contestants: dict[str, Callable[[Any], tuple[Callable[[], Any], Callable[[Any], str]]]], data: str) -> None:
    """Either one contestant, named on the command line, or all of them in turn, and a table of ratios."""
    if len(sys.argv) > 1 and sys.argv[1] in contestants:
        job, say = contestants[sys.argv[1]](data)
        before, base, began = cpu(), resident(), time.perf_counter()
        answer = job()
        figures = {
            "cpu": cpu() - before,
            "wall": time.perf_counter() - began,
            "mb": max(0.0, peak() - base),
            "says": say(answer),
        }
        print(json.dumps(figures))
        return
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name in contestants:
            out = subprocess.run([sys.executable, sys.argv[0], name], check=True, capture_output=True, text=True)
            taken[name].append(json.loads(out.stdout.splitlines()[-1]))
    middle = {
        name: {key: statistics.median(r[key] for r in rows) for key in ("cpu", "wall", "mb")}
        for name, rows in taken.items()
    }
    print(f"{'':28}{'CPU s':>8}{'wall s':>8}{'MB more':>9}   CPU of others / ours")
    for name, row in middle.items():
        ratios = "  ".join(
            f"{them} {middle[them]['cpu'] / row['cpu']:.1f}x" for them in middle if not them.startswith("custrel")
        )
        beside = ratios if name.startswith("custrel") else ""
        print(f"{name:28}{row['cpu']:8.2f}{row['wall']:8.2f}{row['mb']:9.0f}   {beside}")
    for name, rows in taken.items():
        print(f"{name}: {rows[0]['says']}")
