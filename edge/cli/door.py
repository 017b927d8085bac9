"""The commands about doors: open, try, lock, and act on a simulated one."""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

from edge.cli.ask import print_json
from edge.config import EXIT_CONFIG, load
from edge.doors.simulated_door import Act
from edge.errors import RequestRefused
from edge.local import FILE_NAME, Answer, AskDoor, AskOpen, Request, ask
from edge.words import _


def door(asked: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Do what was asked; the exit status. Raises TerminalError."""
    if asked.door == "lock":
        return _lock(asked, environment)
    socket = load(asked.config, environment).terminal.runtime_dir / FILE_NAME
    ask_daemon = partial(ask, socket)
    match asked.door:
        case "open":
            answer = ask(socket, AskOpen(asked.name))
            return _told(answer, f"{answer['door']}: {answer['state']}", asked.json)
        case "act":
            answer = ask(socket, AskDoor(asked.name, _act(asked.act)))
            return _told(answer, f"{answer['door']}: {answer['came_of_it']}", asked.json)
        case _:
            return _test(asked, ask_daemon)


def _told(answer: Answer, words: str, as_json: bool) -> int:
    if as_json:
        print_json(answer)
    else:
        print(words)
    return 0


def _lock(asked: argparse.Namespace, environment: Mapping[str, str]) -> int:
    import edge.log

    edge.log.configure(2)
    from edge.doors.locking_up import lock_up
    from edge.doors.sections import read_doors

    sections = read_doors(asked.config, environment)
    locked = lock_up(sections) if sections.doors else []
    if asked.json:
        print_json({"doors": [asdict(each) for each in locked], "problems": sections.problems})
    else:
        for each in locked:
            print(f"{each.door}: {each.words}")
        for problem in sections.problems:
            print(_("not locked: {problem}").format(problem=problem))
    if sections.problems:
        return EXIT_CONFIG
    return 0 if all(each.is_done for each in locked) else 1


def _test(asked: argparse.Namespace, ask_daemon: Callable[[Request], Answer]) -> int:
    from edge.doors.trial import Surroundings, tried

    around = Surroundings(
        look=lambda: ask_daemon(AskDoor(asked.name)),
        open=lambda: ask_daemon(AskOpen(asked.name)),
        now=time.monotonic,
        sleep=time.sleep,
        say=(lambda _: None) if asked.json else partial(print, flush=True),
    )
    results = []
    for each in tried(around, asked.seconds):
        results.append(each)
        if not asked.json:
            seen = _("seen after {seconds:g} s") if each.seen else _("NOT seen: {advice}")
            print(f"  {_(each.step)}: {seen.format(seconds=each.seconds, advice=each.advice)}", flush=True)
    if asked.json:
        print_json({"door": asked.name, "steps": [asdict(each) for each in results]})
    return 0 if all(each.seen for each in results) else 1


def _act(word: str) -> Act:
    try:
        return Act(word)
    except ValueError:
        acts = ", ".join(Act)
        refusal = _("{word!r} is nothing that can be done to a door; there are {acts}").format(word=word, acts=acts)
        raise RequestRefused(refusal) from None
