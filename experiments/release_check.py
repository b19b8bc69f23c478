"""Do the README's commands work as they stand? python -m experiments.release_check --memory=8

Runs each training and evaluation command of README.md in the order of the page, in one new folder,
with nothing compiled before. A training that has done --seconds of updates is stopped with Ctrl-C;
where the page has its command again, it resumes. Prints a row for each command: seconds to the
first line and to the first update, the largest memory of its processes together, and the exit code.
Exit code 1 if a command failed.

--memory limits the memory of each command, in GB: by a control group where this user may make one,
which counts cached files as well, otherwise by a ulimit on addresses. --only=PART runs the commands
that contain a text.
"""

import argparse
import os
import pty
import re
import resource
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).parents[1]
PROGRAM = "python -m dreamer_jax.main"
UPDATED = re.compile(r"[1-9][\d.]*[kM]? updates ")  # in a progress line
GB = 10**9
PATIENCE = 900  # seconds to the first update, or to the end of an evaluation


class Row(NamedTuple):
    """What became of one command."""

    first_line: float  # seconds after its start
    first_update: float | None  # None for a command that did none
    peak: int  # bytes
    code: int
    shown: str  # all that it has written

    def __str__(self) -> str:
        update = "-" if self.first_update is None else f"{self.first_update:.0f}"
        return f"{self.first_line:.1f} | {update} | {self.peak / GB:.2f} | {self.code}"


def main() -> int:
    """Exit code 1 if a command failed."""
    args = flags().parse_args()
    print("| command | first line, s | first update, s | peak, GB | exit code |")
    print("|---|---|---|---|---|")
    failed = list[str]()
    with tempfile.TemporaryDirectory() as folder, limit(args.memory) as enter:
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "compiled"),
        }
        for command in commands((ROOT / "README.md").read_text()):
            if args.only in command:
                row = run(command, Path(folder), env, enter, seconds=args.seconds)
                print(f"| `{command}` | {row} |", flush=True)
                if row.code:
                    failed.append(f"{command}\n{row.shown[-2000:]}")
    print(*failed, sep="\n", file=sys.stderr)
    return bool(failed)


def flags() -> argparse.ArgumentParser:
    """The flags of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("release_check", description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--memory", type=float, help="GB that each command may take (no limit)")
    add("--seconds", type=float, default=20, help="of updates before a training is stopped (20)")
    add("--only", default="", help="run only the commands that contain this text")
    return parser


def commands(page: str) -> list[str]:
    """The commands of this program in the bash blocks of a page, without their comments."""
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(PROGRAM)]


@contextmanager
def limit(gigabytes: float | None) -> Iterator[Callable[[], None]]:
    """A function with which a new process limits itself and its children."""
    if gigabytes is None:
        yield lambda: None
        return
    bytes_ = int(gigabytes * GB)
    with suppress(OSError):
        group = make_group(bytes_)

        def enter() -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

        try:
            yield enter
        finally:
            group.rmdir()
        return
    yield lambda: resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))


def make_group(bytes_: int) -> Path:
    """A new control group with a limit of memory; OSError where this user may not make one."""
    for root, file in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        parent = Path("/sys/fs/cgroup") / root
        if (parent / "cgroup.procs").exists():
            group = parent / f"release_check_{os.getpid()}"
            group.mkdir()
            try:
                (group / file).write_text(str(bytes_))
            except OSError:
                group.rmdir()
                raise
            return group
    raise FileNotFoundError("no control groups")


def run(
    command: str, folder: Path, env: dict[str, str], enter: Callable[[], None], *, seconds: float
) -> Row:
    """Runs a command on a terminal; stops it `seconds` after its first update."""
    reader, writer = pty.openpty()
    began = time.monotonic()
    words = [sys.executable, *shlex.split(command)[1:]]
    with subprocess.Popen(
        words, cwd=folder, env=env, stdout=writer, stderr=writer, preexec_fn=enter
    ) as process:
        os.close(writer)
        watch = Watch(process.pid)
        shown, first_line, first_update = "", None, None
        stop_at = began + PATIENCE
        while True:
            if select.select([reader], [], [], 0.2)[0]:
                try:
                    shown += os.read(reader, 1 << 16).decode(errors="replace")
                except OSError:  # the end: nothing holds the terminal any more
                    break
                now = time.monotonic()
                first_line = first_line or now
                if first_update is None and UPDATED.search(shown):
                    first_update, stop_at = now, now + seconds
            if time.monotonic() > stop_at:
                process.send_signal(signal.SIGINT)
                stop_at = float("inf")
        code = process.wait()
    os.close(reader)
    return Row(
        first_line=(first_line or time.monotonic()) - began,
        first_update=first_update and first_update - began,
        peak=watch.end(),
        code=code,
        shown=shown,
    )


class Watch:
    """The largest memory of a process and its descendants together, sampled by a thread."""

    def __init__(self, pid: int) -> None:
        """Begins to watch."""
        self._process = psutil.Process(pid)
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def end(self) -> int:
        """Bytes at the most so far; ends the thread."""
        self._ended.set()
        self._thread.join()
        return self._peak

    def _sample(self) -> None:
        while not self._ended.wait(0.2):
            total = 0
            with suppress(psutil.Error):
                for each in (self._process, *self._process.children(recursive=True)):
                    with suppress(psutil.Error):
                        total += each.memory_info().rss
            self._peak = max(self._peak, total)


if __name__ == "__main__":
    sys.exit(main())
