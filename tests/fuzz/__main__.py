"""Fuzzing by command: `make fuzz ARGS='--minutes 10 --target wire'`; docs/fuzzing.md tells what is tried and what must hold."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("book", "grammar", "facts", "tables", "log", "layout", "analysis", "calls", "wire")
# What atheris' counters cost.
SLOWER = 10.0


def main(argv: list[str] | None = None) -> int:
    """Run targets one after the other; the exit code is 1 when a fault was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Try random and mutated inputs on policybook.")
    parser.add_argument("--target", action="append", choices=NAMES, help="what to try (all); may be repeated")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target (1)")
    parser.add_argument("--seed", type=int, default=None, help="the same seed chooses the same inputs; another one each time unless given")
    parser.add_argument("--engine", choices=("auto", "guided", "plain"), default="auto", help="guided: atheris; auto: where it can")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "fuzz", help="where the corpus and what was found go (build/fuzz)")
    parser.add_argument("--replay", type=Path, nargs="+", help="try these inputs again; their folder names the target unless --target does")
    parser.add_argument("--minimize", action="store_true", help="with --replay: write a shorter input with the same fault beside each")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    seed = args.seed if args.seed is not None else int.from_bytes(os.urandom(4), "big") >> 1
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if args.worker:
        return _work(args.worker, args.out, args.minutes * 60, seed)
    if args.replay:
        return _replay(args.replay, args.target, minimize=args.minimize)
    found = 0
    for name in args.target or NAMES:
        can = name != "wire" and importlib.util.find_spec("atheris") is not None
        if args.engine == "guided" and not can:
            sys.stdout.write(f"{name}: atheris cannot guide it (or is not installed: `make fuzz` does it); --engine plain can\n")
            return 2
        run = _guided if can and args.engine != "plain" else _plain
        found += run(name, args.out, args.minutes * 60, seed)
    return 1 if found else 0


def _folders(out: Path, name: str) -> tuple[Path, Path]:
    corpus, faults = out / name / "corpus", out / name / "faults" / name
    for folder in (corpus, faults):
        folder.mkdir(parents=True, exist_ok=True)
    return corpus, faults


def _plain(name: str, out: Path, seconds: float, seed: int) -> int:
    from fuzz.engine import Session, plain, say
    from fuzz.targets import TARGETS

    corpus, faults = _folders(out, name)
    say(f"{name}: seed {seed}, {seconds / 60:g} minutes")
    target = TARGETS[name]()
    session = Session(target, faults)
    end = time.monotonic() + seconds
    try:
        plain(session, Random(seed), lambda _: time.monotonic() < end, [p.read_bytes() for p in sorted(corpus.iterdir())])
        more = getattr(target, "memory", str)()
    finally:
        target.close()
    say(session.summary() + (f"; {more}" if more else ""))
    return len(session.faults)


def _guided(name: str, out: Path, seconds: float, seed: int) -> int:
    """Run atheris in a process of its own, again after each end that was not asked for."""
    from fuzz.engine import RENEW

    _, faults = _folders(out, name)
    sys.stdout.write(f"{name}: seed {seed}, {seconds / 60:g} minutes, guided\n")
    sys.stdout.flush()
    log, end = out / name / "atheris.txt", time.monotonic() + seconds
    began, inputs, found, ended = time.monotonic(), 0, set[str](), 0
    while (rest := end - time.monotonic()) > 5:
        with log.open("wb") as stream:
            command = [sys.executable, "-m", "fuzz", "--worker", name, "--out", str(out), "--minutes", str(rest / 60), "--seed", str(seed)]
            code = subprocess.run(command, stderr=stream, check=False).returncode
        told = json.loads((faults / "stats.json").read_text(encoding="utf-8"))
        inputs, found, seed = inputs + told["inputs"], found | set(told["faults"]), seed + 1
        if code and code != RENEW:
            ended += 1
            path = faults / f"ended-{ended}"
            (faults / "current").rename(path)
            sys.stdout.write(f"  fault: the process ended with {code} ({log} tells more)\n         {path}\n")
            if ended >= 10:
                break
    cover = re.findall(rb"cov: (\d+) ft: (\d+) corp: (\d+)", log.read_bytes())
    reached = ", branches {}, features {}, corpus {}".format(*(int(n) for n in cover[-1])) if cover else ""
    spent = time.monotonic() - began
    sys.stdout.write(f"{name}: {inputs:,} inputs in {spent:.0f} s{reached}, faults: {len(found) + ended}\n")
    sys.stdout.flush()
    return len(found) + ended


def _work(name: str, out: Path, seconds: float, seed: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["policybook"], enable_loader_override=False):
        from fuzz.targets import TARGETS

    from fuzz.engine import Session, guided

    corpus, faults = _folders(out, name)
    session = Session(TARGETS[name](), faults, slower=SLOWER, stats=faults / "stats.json")
    session.tell()
    guided(session, corpus, seconds, seed)
    return 0


def _replay(paths: list[Path], names: list[str] | None, *, minimize: bool) -> int:
    from fuzz.engine import Session, minimized, say
    from fuzz.targets import TARGETS

    failed = 0
    for path in paths:
        name = names[0] if names else path.resolve().parent.name
        if name not in TARGETS:
            say(f"{path}: its folder `{name}` is no target; state one by --target")
            return 2
        target = TARGETS[name]()
        try:
            session = Session(target)
            session.try_one(path.read_bytes())
            session.hold()
            for fault in session.faults.values():
                failed += 1
                say(f"{path}: {fault.signature}\n{fault.told}")
                if minimize:
                    shorter = path.with_name(f"{path.name}-short")
                    shorter.write_bytes(minimized(target, path.read_bytes(), fault.signature))
                    say(f"{shorter}: {shorter.stat().st_size} bytes of {path.stat().st_size}")
            if not session.faults:
                say(f"{path}: holds ({next(iter(session.outcomes), '')})"[:400])
        finally:
            target.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
