"""What the engine costs beside the other libraries that are installed, in one run over one corpus.

Rule 1: every pass is the only one of a fresh process: nobody has seen these bytes before, and imports and the
        making of the corpus are not timed.
Rule 2: every buffer of a pass is different, and differs in an entry; "seen before" is the exception.
Rule 3: figures are medians over passes, in microseconds for one descriptor, and no installed library is left
        out that can do the task.
Rule 4: nothing here fails: it measures. Targets stand beside the figures.

    script/bench engine [--passes N]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import contenders
import corpus

Verbs = dict[str, Callable[..., Any]]
EDITIONS_BEFORE = 5  # of "later in a run": how many directories' worth the process has read by then


def _timed(work: Callable[[Any], object], items: list[Any]) -> float:
    start = perf_counter_ns()
    for item in items:
        work(item)
    return (perf_counter_ns() - start) / 1000 / len(items)


def _reader(verbs: Verbs) -> Callable[[bytes], object]:
    read, walk = verbs["read"], verbs["walk"]
    return lambda data: walk(read(data))


def _walk(verbs: Verbs) -> float:
    return _timed(_reader(verbs), corpus.corpus())


def _walk_later(verbs: Verbs) -> float:
    work = _reader(verbs)
    for edition in range(EDITIONS_BEFORE):
        _timed(work, corpus.corpus(edition))
    return _timed(work, corpus.corpus(EDITIONS_BEFORE))


def _walk_scattered(verbs: Verbs) -> float:
    return _timed(_reader(verbs), corpus.scattered())


def _write(verbs: Verbs) -> float:
    read, write = verbs["read"], verbs["write"]
    return _timed(lambda data: write(read(data)), corpus.corpus())


def _seen(verbs: Verbs) -> float:
    read = verbs["read"]
    originals = corpus.corpus()
    _timed(read, originals)
    # Copies, as a directory sends them: an object of its own for each, whose hash nobody has asked for.
    return _timed(read, [bytes(bytearray(data)) for data in originals])


def _texts() -> list[str]:
    verbs = contenders.Acl.prepare()
    return [verbs["to_text"](verbs["read"](data)) for data in corpus.corpus()]


def _text(verbs: Verbs) -> float:
    from_text, to_text = verbs["from_text"], verbs["to_text"]
    # Written by another process, so that this one has not seen its parts.
    texts = json.loads(sys.stdin.read())
    return _timed(lambda text: to_text(from_text(text)), texts)


def _kept(verbs: Verbs, descriptors: list[bytes]) -> float:
    """KiB that stay allocated for one descriptor, its bytes included."""
    read = verbs["read"]
    tracemalloc.start()
    copies = [bytes(bytearray(data)) for data in descriptors]
    kept = [read(data) for data in copies]
    del copies
    size, _ = tracemalloc.get_traced_memory()
    return size / 1024 / len(kept)


TASKS: dict[str, Callable[[Verbs], float]] = {
    "walk": _walk,
    "walk later": _walk_later,
    "walk scattered": _walk_scattered,
    "write": _write,
    "seen": _seen,
    "text": _text,
    "kept": lambda verbs: _kept(verbs, corpus.corpus()),
    "kept scattered": lambda verbs: _kept(verbs, corpus.scattered()),
}


def _pass(name: str, task: str, texts: str) -> float:
    command = [contenders.interpreter(name) or "", str(Path(__file__)), "--pass", name, task]
    done = subprocess.run(command, input=texts, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _medians(task: str, passes: int, *, names: Iterable[str], texts: str = "") -> dict[str, float]:
    """The figure of each library: in turns, so that a machine that slows down for a minute slows them all."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(passes):
        for name, figures in found.items():
            figures.append(_pass(name, task, texts))
        print(".", end="", file=sys.stderr, flush=True)
    return {name: statistics.median(figures) for name, figures in found.items()}


def _table(title: str, target: str, figures: dict[str, float]) -> None:
    print(f"\n{title}\n  target: {target}")
    own = figures["acl"]
    for name, figure in sorted(figures.items(), key=lambda row: row[1]):
        ratio = f"{figure / own:10.1f} x acl" if name != "acl" else ""
        print(f"  {name:10}{figure:12,.1f} µs{ratio}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure the engine beside the libraries that are installed."
    )
    parser.add_argument("--passes", type=int, default=7, help="passes for each figure (7)")
    parser.add_argument("--pass", nargs=2, dest="only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        name, task = arguments.only
        print(TASKS[task](contenders.CONTENDERS[name].prepare()))
        return
    passes = arguments.passes
    print(f"Python {platform.python_version()}, {platform.machine()}; {passes} passes, each in a new process")
    print(f"a directory: {corpus.statistics(corpus.corpus())}")
    print(f"scattered:   {corpus.statistics(corpus.scattered())}")
    installed = [name for name in contenders.CONTENDERS if contenders.interpreter(name)]
    print("libraries:  ", ", ".join(f"{name} {contenders.version(name)}" for name in installed))

    walk = _medians("walk", passes, names=installed)
    _table("parse, and walk every entry: mask, SID string, GUIDs", "winacl at 10 x", walk)
    later = _medians("walk later", passes, names=installed)
    _table(f"the same, after {EDITIONS_BEFORE * corpus.DESCRIPTORS:,} other descriptors", "none", later)
    scattered = _medians("walk scattered", passes, names=installed)
    _table("the same, where no two entries are alike", "none; it is the worst case", scattered)
    _table("parse, and write back", "winacl at 10 x", _medians("write", passes, names=installed))
    seen = walk | _medians("seen", passes, names=["acl"])
    _table("a descriptor seen before, beside the others' parse and walk", "winacl at 100 x", seen)
    texts = json.dumps(_texts())
    with_text = [name for name in installed if name in ("acl", "samba")]
    text = _medians("text", passes, names=with_text, texts=texts)
    _table("SDDL to descriptor and back", "samba at 1 x", text)

    average = sum(len(list(corpus.entries(data))) for data in corpus.corpus()) / corpus.DESCRIPTORS
    print(f"\nkept for one descriptor of {average:.0f} entries on average (tracemalloc)")
    print("  target: 16 KiB for 60 entries")
    print(f"  a directory{_pass('acl', 'kept', ''):9.1f} KiB")
    print(f"  scattered  {_pass('acl', 'kept scattered', ''):9.1f} KiB")


if __name__ == "__main__":
    main()
