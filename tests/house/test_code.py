"""The house rules about our code that no tool of others checks."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.house.repository import PRODUCT, ROOT, modules

FORBIDDEN_NAMES: Final = {"utils", "helpers", "common", "base", "manager", "misc", "types"}

# P8: bugs are caught by the supervisor of tasks and at the boundary of the web, and nowhere else
MAY_CATCH_EVERYTHING: Final = {"edge/supervise.py": 1, "cloud/app.py": 1}

# real processes have to be waited for; everything else has a clock moved by hand
MAY_SLEEP: Final = (
    "tests/journeys/",
    "tests/chaos/",
    "tests/bench/",
    "tests/browser/",
    "tests/soak/",
    "tests/support/",
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_every_module_begins_with_a_sentence_saying_what_it_is_for() -> None:
    """One sentence with a full stop in the first paragraph; an empty `__init__` needs none."""
    wrong = []
    for name, tree in modules(*PRODUCT, "tests"):
        sentence = (ast.get_docstring(tree) or "").partition("\n\n")[0].strip()
        if not sentence.endswith((".", "?")) and (tree.body or name.name != "__init__.py"):
            wrong.append(str(name))
    assert not wrong, f"no first sentence: {wrong}"


def test_no_file_has_a_name_that_says_nothing() -> None:
    wrong = [str(name) for name, _ in modules(*PRODUCT, "tests") if FORBIDDEN_NAMES & {name.stem, *name.parent.parts}]
    assert not wrong, f"what fits only there has no home yet: {wrong}"


def test_everything_is_caught_in_two_places_only() -> None:
    """A handler that ends in a bare `raise` cleans up and lets go: it does not count."""
    found = Counter(
        str(name)
        for name, tree in modules(*PRODUCT)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node) and not lets_go(node)
    )
    assert not found - Counter(MAY_CATCH_EVERYTHING), f"except Exception stands elsewhere: {dict(found)}"


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """Whether it is bare or names Exception or BaseException."""
    caught = handler.type
    if caught is None:
        return True
    named = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(each, ast.Name) and each.id in {"Exception", "BaseException"} for each in named)


def lets_go(handler: ast.ExceptHandler) -> bool:
    """Whether its last statement raises the same again."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_tests_do_not_sleep() -> None:
    """`sleep(0)` gives the others a turn and is no sleep."""
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in modules("tests")
        if not name.as_posix().startswith(MAY_SLEEP)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and sleeps(node)
    ]
    assert not wrong, f"move a clock by hand, or wait for what happens: {wrong}"


def sleeps(call: ast.Call) -> bool:
    """Whether this is `sleep` of any module for more than nothing."""
    match call.func:
        case ast.Attribute(attr="sleep") | ast.Name(id="sleep"):
            return not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)
        case _:
            return False


def test_modules_and_functions_keep_their_size(capsys: pytest.CaptureFixture[str]) -> None:
    """The budget of P12 is printed where it is overdrawn; half as much again fails."""
    over, wrong = [], []
    for what, size, budget, limit in sizes():
        if size > budget:
            over.append(f"{what}: {size} (budget {budget})")
        if size > limit:
            wrong.append(f"{what}: {size} (limit {limit})")
    with capsys.disabled():
        if over:
            print("\nover the budget, to be cut when next touched:\n  " + "\n  ".join(over))
    assert not wrong, "\n".join(wrong)


def sizes() -> Iterator[tuple[str, int, int, int]]:
    """Name, size, budget and limit of every module, function and parameter list of the product."""
    for name, tree in modules(*PRODUCT):
        yield f"lines of {name}", len((ROOT / name).read_text(encoding="utf-8").splitlines()), 300, 400
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"lines of {name}:{node.name}", lines_of(node), 40, 60
                yield f"parameters of {name}:{node.name}", parameters_of(node), 6, 8


def lines_of(function: Function) -> int:
    """From `def` to the end, without decorators and docstring."""
    documented = ast.get_docstring(function, clean=False) is not None
    docstring = function.body[0]
    told = (docstring.end_lineno or 0) - docstring.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - told


def parameters_of(function: Function) -> int:
    """All of them, `self` not counted."""
    listed = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([parameter for parameter in listed if parameter.arg not in {"self", "cls"}])


@pytest.mark.parametrize(
    ("code", "expected"),
    [("time.sleep(1)", True), ("asyncio.sleep(0)", False), ("sleep(pause)", True), ("walk(1)", False)],
)
def test_the_rule_on_sleep_knows_a_sleep(code: str, expected: bool) -> None:
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    assert sleeps(call) is expected


def test_the_paths_named_by_these_rules_are_relative() -> None:
    """A rule with a path that cannot exist would allow nothing and say nothing."""
    assert all(not Path(name).is_absolute() for name in [*MAY_CATCH_EVERYTHING, *MAY_SLEEP])
