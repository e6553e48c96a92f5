"""Runs quick tests against mutants, all in one process: the changed function's code is put in the place of the original's, so
that whoever holds the function runs the mutant; afterwards it is put back.

Only tests that need nothing but themselves take part: no fixtures, so no database; nor do those that draw other examples each
time, which may tell a mutant today and not tomorrow. Each mutant meets those of them that run the
changed line, the quickest first.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import importlib
import inspect
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.mutation.mutants import Mutant, mutants

#: A test that computes longer, or waits longer, has been caught by the mutant in a loop or at a closed door. (Seconds of
#: processor time, which a busy machine does not use up, and of the clock.)
_LONGEST_S = 5.0
_LONGEST_WAIT_S = 30.0


class TooLong(BaseException):
    """Not an Exception: nothing on the way may take it for one that it knows how to handle."""


class Test:
    """A collected test, and the lines of the targets that it runs."""

    __test__ = False  # nothing for pytest to collect

    def __init__(self, name: str, run: Callable[[], Any]) -> None:
        self.name = name
        self._run = run
        self.seconds = 0.0
        self.lines: set[tuple[str, int]] = set()

    def failure(self) -> BaseException | None:
        """Run it: None if it passes, else why not."""
        try:
            with _bounded(), asyncio.Runner() as runner:
                runner.get_loop().set_exception_handler(lambda loop, context: None)  # what a mutant leaves behind is no news
                result = self._run()
                if inspect.isawaitable(result):
                    runner.run(_awaited(result))
        except (Exception, TooLong, asyncio.CancelledError, pytest.fail.Exception) as failure:
            return failure
        return None

    def trace(self, files: set[str]) -> None:
        """Run it once, unchanged, and remember which lines it ran. Raises AssertionError if it fails."""

        def line(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                self.lines.add((frame.f_code.co_filename, frame.f_lineno))
            return line

        started = time.process_time()
        sys.settrace(lambda frame, event, argument: line if frame.f_code.co_filename in files else None)
        try:
            failure = self.failure()
        finally:
            sys.settrace(None)
        if failure is not None:
            raise AssertionError(f"{self.name} fails without any change") from failure
        self.seconds = time.process_time() - started


async def _awaited(result: Any) -> None:
    await result


@contextmanager
def _bounded() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooLong

    # Again and again: the first may end a task only, which somebody then waits for.
    timers = ((signal.SIGVTALRM, signal.ITIMER_VIRTUAL, _LONGEST_S), (signal.SIGALRM, signal.ITIMER_REAL, _LONGEST_WAIT_S))
    before = [signal.signal(number, stop) for number, _, _ in timers]
    for _, timer, seconds in timers:
        signal.setitimer(timer, seconds, 0.5)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


class _Collector:
    def __init__(self) -> None:
        self.tests: list[Test] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            if isinstance(item, pytest.Function) and item.cls is None and _tells_the_same_always(item.obj):
                parameters = dict(item.callspec.params) if hasattr(item, "callspec") else {}
                wanted = set(inspect.signature(item.obj).parameters)
                if wanted <= set(parameters) and item.get_closest_marker("skip") is None:
                    self.tests.append(Test(item.nodeid, _bound(item.obj, parameters)))


def _tells_the_same_always(function: Any) -> bool:
    """Not so a test that draws other examples each time. One whose examples are fixed is told to stop at the first that fails."""
    if not hasattr(function, "hypothesis"):
        return True
    chosen = function._hypothesis_internal_use_settings
    if not chosen.derandomize or inspect.iscoroutinefunction(function.hypothesis.inner_test):
        return False
    function._hypothesis_internal_use_settings = settings(
        chosen, phases=(Phase.explicit, Phase.generate), max_examples=min(chosen.max_examples, 100)
    )
    return True


def _bound(function: Callable[..., Any], parameters: dict[str, Any]) -> Callable[[], Any]:
    return lambda: function(**parameters)


def collected(folders: Sequence[str], but: Sequence[str] = ()) -> list[Test]:
    """The tests under some folders that need no fixture, but for those in files that fit one of the patterns `but`."""
    collector, said = _Collector(), StringIO()
    with redirect_stdout(said):
        left_out = [f"--ignore-glob={pattern}" for pattern in but]
        status = pytest.main(["--collect-only", "-qqq", *left_out, *folders], plugins=[collector])
    assert status == 0, f"the tests could not be collected:\n{said.getvalue()}"
    return collector.tests


class Target:
    """A module whose rules are changed."""

    def __init__(self, name: str) -> None:
        self.module: ModuleType = importlib.import_module(name)
        assert self.module.__file__ is not None
        self.path = Path(self.module.__file__)
        self.mutants = list(mutants(name, self.path))
        self._functions: dict[tuple[str, int], list[FunctionType]] = {}
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename == str(self.path):
                self._functions.setdefault((each.__code__.co_qualname, each.__code__.co_firstlineno), []).append(each)
        self._readers = _readers(self.path)

    def lines(self, mutant: Mutant) -> set[int]:
        """Lines of which a test must run one to notice: the statement's own; of a value, all of the functions that read it."""
        if mutant.owner[1]:
            return set(mutant.lines)
        return set(self._readers.get(mutant.owner[0], set()))

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """While this lasts, the module is the mutant."""
        if mutant.owner[1]:
            functions = self._functions[mutant.owner]
            original: CodeType = functions[0].__code__
            code = mutant.function()
            for function in functions:
                function.__code__ = code
            try:
                yield
            finally:
                for function in functions:
                    function.__code__ = original
            return
        name, value = mutant.owner[0], getattr(self.module, mutant.owner[0])
        namespace = dict(vars(self.module))
        with suppress(Exception):  # a value that cannot be made is noticed when it is missing
            exec(mutant.code, namespace)  # noqa: S102
            setattr(self.module, name, namespace[name])
        try:
            yield
        finally:
            setattr(self.module, name, value)


def _readers(path: Path) -> dict[str, set[int]]:
    """For each name, the lines of the functions and values of the module that read it; a value's readers are a name's too."""
    lines: dict[str, set[int]] = {}
    through: dict[str, set[str]] = {}
    for statement in ast.parse(path.read_text()).body:
        read = {each.id for each in ast.walk(statement) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
        for name in read:
            if isinstance(statement, ast.FunctionDef):
                lines.setdefault(name, set()).update(range(statement.body[0].lineno, (statement.end_lineno or 0) + 1))
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                through.setdefault(name, set()).add(statement.targets[0].id)
    for name, values in through.items():
        for value in values:
            lines.setdefault(name, set()).update(lines.get(value, set()))
    return lines


class Trial:
    """Targets, and the tests that know them."""

    def __init__(self, modules: Sequence[str], tests: list[Test]) -> None:
        self.targets = {name: Target(name) for name in modules}
        self.tests = tests
        files = {str(target.path) for target in self.targets.values()}
        for test in tests:
            test.trace(files)
        self.tests.sort(key=lambda test: test.seconds)

    def mutants(self) -> list[Mutant]:
        return [mutant for target in self.targets.values() for mutant in target.mutants]

    def killer(self, mutant: Mutant) -> Test | None:
        """The first test that notices, or None if the mutant survives."""
        target = self.targets[mutant.module]
        lines = {(str(target.path), line) for line in target.lines(mutant)}
        with target.changed(mutant):
            return next((test for test in self.tests if not lines.isdisjoint(test.lines) and test.failure()), None)
