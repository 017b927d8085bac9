"""Watches the system calls of a running program with strace, or ends it at a chosen one of them."""

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATIENCE: Final = 10.0

_LINE: Final = re.compile(r"(\d+) +(.*)")
_CALL: Final = re.compile(r"(\w+)\((.*?)(?:\) += (-?\d+|\?).*| <unfinished \.\.\.>)", re.DOTALL)
_RESUMED: Final = re.compile(r"<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)")
_FILE: Final = re.compile(r"\d+<([^>]*)>")
_DATA: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_OFFSET: Final = re.compile(r", (\d+)$")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call. `began` and `ended` are places in the order of everything that was seen; -1: it never ended."""

    thread: int
    name: str
    path: str
    data: bytes
    offset: int
    began: int
    ended: int


@contextmanager
def traced(pid: int, output: Path, calls: Sequence[str]) -> Iterator[None]:
    """Write the named system calls of all threads of a process to a file, for `read_trace`."""
    shown = ["-y", "-xx", "-s", "200000"]  # files by name, and all bytes that go into them
    strace = _attach(pid, [*shown, "-e", f"trace={','.join(calls)}", "-o", str(output)])
    try:
        yield
    finally:
        _detach(strace)


@contextmanager
def killed_at(pid: int, call: str, count: int) -> Iterator[None]:
    """Kill a process (SIGKILL) when one of its threads enters its `count`-th call of that name; it is not executed."""
    strace = _attach(pid, ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={count}", "-o", "/dev/null"])
    try:
        yield
    finally:
        _detach(strace)


def read_trace(output: Path) -> list[Call]:
    """What `traced` saw, in the order in which the calls began."""
    calls: list[Call] = []
    open_calls: dict[int, int] = {}
    for place, line in enumerate(output.read_text().splitlines()):
        thread, said = _thread_and_words(line)
        if resumed := _RESUMED.match(said):
            index = open_calls.pop(thread, None)
            if index is not None:
                calls[index] = _ended(calls[index], resumed.group(2), place)
        elif call := _CALL.match(said):
            name, arguments, result = call.groups()
            if result is None:
                open_calls[thread] = len(calls)
            calls.append(_call(thread, name, arguments, place, -1 if result in {None, "?"} else place))
    return calls


def _thread_and_words(line: str) -> tuple[int, str]:
    match = _LINE.match(line)
    assert match is not None, f"strace wrote {line[:80]!r}"
    return int(match.group(1)), match.group(2)


def _call(thread: int, name: str, arguments: str, began: int, ended: int) -> Call:
    path, data, offset = _FILE.match(arguments), _DATA.search(arguments), _OFFSET.search(arguments)
    return Call(
        thread,
        name,
        _bytes(path.group(1)).decode() if path else "",
        _bytes(data.group(1)) if data else b"",
        int(offset.group(1)) if offset and name == "pwrite64" else 0,
        began,
        ended,
    )


def _ended(call: Call, rest: str, ended: int) -> Call:
    """A call that another thread's lines came in between of; `rest` are arguments that were only known at its end."""
    data = _DATA.search(rest)
    return Call(
        call.thread, call.name, call.path, _bytes(data.group(1)) if data else call.data, call.offset, call.began, ended
    )


def _bytes(shown: str) -> bytes:
    return bytes.fromhex(shown.replace("\\x", "")) if shown.startswith("\\x") else shown.encode()


def _attach(pid: int, options: Sequence[str]) -> subprocess.Popen[bytes]:
    strace = subprocess.Popen(
        ["strace", "-f", "-qq", *options, "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + PATIENCE
    while not (_is_traced(pid) or _has_ended(pid)):  # one of its threads may make the call that kills it at once
        if strace.poll() is not None or time.monotonic() > deadline:
            said = strace.stderr.read().decode() if strace.poll() is not None and strace.stderr else ""
            _detach(strace)
            raise AssertionError(f"strace does not watch process {pid}: {said or 'it takes too long'}")
        time.sleep(0.005)
    return strace


def _detach(strace: subprocess.Popen[bytes]) -> None:
    strace.terminate()
    try:
        strace.wait(PATIENCE)
    finally:
        if strace.stderr is not None:
            strace.stderr.close()


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for its parent to look."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def _is_traced(pid: int) -> bool:
    """Whether every thread of a process has a tracer."""
    try:
        states = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except FileNotFoundError:  # a thread ended while we looked
        return False
    return all("\nTracerPid:\t0\n" not in state for state in states)


# --- the power cut --------------------------------------------------------------------------------------------------


def survivors(before: dict[Path, bytes], calls: Sequence[Call], moment: int) -> dict[Path, bytes]:
    """The files as a power cut at `moment` leaves them at worst: a write counts only if a sync of it had ended.

    `before`: what the files held when the trace began. Only `pwrite64` into these files is looked at.
    """
    after = {path: bytearray(content) for path, content in before.items()}
    syncs = [call for call in calls if call.name in {"fsync", "fdatasync"} and 0 <= call.ended < moment]
    for call in calls:
        content = after.get(Path(call.path))
        if content is None or call.name != "pwrite64":
            continue
        if any(sync.path == call.path and 0 <= call.ended < sync.began for sync in syncs):
            content.extend(bytes(max(0, call.offset - len(content))))
            content[call.offset : call.offset + len(call.data)] = call.data
    return {path: bytes(content) for path, content in after.items()}
