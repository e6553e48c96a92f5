"""Small faults, one at a time, made in the syntax tree of a module.

What is changed: comparisons (to the neighbour and to the opposite), `and` and `or` and each of their operands, `not`, signs,
arithmetic, integers by one, truth values, texts. What is left out: statements that are calls or raise, guards, named values of
`replace`, elements of lists. A fault that no test notices is a rule that no test states.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

#: Each comparison's neighbour, at the boundary, and its opposite.
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,), ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
#: What of a module is not a value that a rule reads by its name, but what binds rules or data together, held by others already.
#: Only the lambdas in it are rules.
_DECLARATIONS = {"Decider", "Relation", "TypeVar", "ChartLine"}
#: Small enough to be told without what is around it, large enough to be recognised.
_TELLING = (ast.Compare, ast.BinOp, ast.Call, ast.keyword, ast.JoinedStr, ast.IfExp, ast.BoolOp)
#: Parts of a node that are not executed, or are walked through as statements.
_SKIPPED = ("annotation", "returns", "decorator_list", "body", "orelse", "finalbody", "cases", "handlers", "format_spec")


#: Texts beyond this many characters are told by what differs, with so many characters around it.
_LONG, _CONTEXT = 100, 30


class Mutant(NamedTuple):
    """`name` says what was changed, and stays the same while the code around it moves.

    owner   the qualified name and first line of the outermost function it is in; line 0 for a value of the module itself
    lines   of the statement it is in
    code    of the whole module with the change
    """

    name: str
    module: str
    owner: tuple[str, int]
    lines: range
    code: CodeType

    def function(self) -> CodeType:
        """The changed code of the owner."""
        (found,) = [code for code in _nested(self.code) if (code.co_qualname, code.co_firstlineno) == self.owner]
        return found


def mutants(module: str, path: Path, text: str | None = None) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its text."""
    tree = ast.parse(path.read_text() if text is None else text)
    seen: Counter[str] = Counter()
    for site in _module(tree):
        before = _told(site.shown)
        with_change = site.change()
        after = "nothing" if isinstance(site.new, ast.Pass) else _told(site.shown)
        code = compile(ast.fix_missing_locations(tree), str(path), "exec", dont_inherit=True)
        site.restore(with_change)
        before, after = _difference(before, after)
        name = f"{module.removeprefix('tongbao.')}:{site.place.name}: {before} → {after}"
        seen[name] += 1
        yield Mutant(
            name if seen[name] == 1 else f"{name} #{seen[name]}", module, (site.place.name, site.place.line),
            _head(site.place.statement), code,
        )  # fmt: skip


class _Place(NamedTuple):
    name: str
    line: int
    statement: ast.stmt


class _Site(NamedTuple):
    """`holder.field`, or its `element`-th one, becomes `new`; without `new` the element goes. `shown` is what is told of it."""

    holder: ast.AST
    field: str
    element: int | None
    new: Any
    shown: ast.AST
    place: _Place

    def change(self) -> Any:
        kept = getattr(self.holder, self.field)
        value = self.new
        if self.element is not None:
            value = [*kept[: self.element], *([] if self.new is None else [self.new]), *kept[self.element + 1 :]]
        setattr(self.holder, self.field, value)
        return kept

    def restore(self, kept: Any) -> None:
        setattr(self.holder, self.field, kept)


def _told(node: ast.AST) -> str:
    """On one line, a compound statement by its head."""
    text = (
        ast.unparse(node).split("\n")[0].removesuffix(":") if isinstance(getattr(node, "body", None), list) else ast.unparse(node)
    )
    return " ".join(text.split())


def _difference(before: str, after: str) -> tuple[str, str]:
    """Two texts, of long ones only what differs with a little around it."""
    if len(before) <= _LONG or after == "nothing":
        return before, after
    start = _alike(before, after)
    end = min(_alike(before[::-1], after[::-1]), min(len(before), len(after)) - start)
    return _around(before, start, len(before) - end), _around(after, start, len(after) - end)


def _alike(one: str, other: str) -> int:
    """So many characters they begin with in common."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _around(text: str, start: int, end: int) -> str:
    first, last = max(0, start - _CONTEXT), min(len(text), end + _CONTEXT)
    return f"{'…' if first else ''}{text[first:last]}{'…' if last < len(text) else ''}"


def _head(statement: ast.stmt) -> range:
    """The lines of a statement without its body."""
    body = getattr(statement, "body", None)
    end = body[0].lineno - 1 if isinstance(body, list) else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(statement.lineno, end) + 1)


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


# ── where something can be changed ──────────────────────────────────────────────────────────────────────────────────────


def _module(holder: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[_Site]:
    """The functions, and the values that a rule may depend on."""
    for statement in holder.body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                line = min([statement.lineno, *(each.lineno for each in statement.decorator_list)])
                yield from _statements(statement, _Place(prefix + statement.name, line, statement))
            case ast.ClassDef():
                yield from _module(statement, f"{prefix}{statement.name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if not prefix:
                yield from _value(statement, _Place(name, 0, statement))
            case _:
                pass


def _value(statement: ast.Assign | ast.AnnAssign, place: _Place) -> Iterator[_Site]:
    inside = list(ast.walk(statement))
    called = {each.func.id for each in inside if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)}
    if called & _DECLARATIONS:
        for each in inside:
            if isinstance(each, ast.Lambda):
                yield from _inside(each, "body", None, each.body, _Place("<lambda>", each.lineno, statement), each)
    elif not (place.name.startswith("__") or isinstance(statement.value, ast.Subscript)):  # a type
        yield from _parts(statement, place, statement)


def _statements(holder: ast.AST, place: _Place) -> Iterator[_Site]:
    """The statements of a body, and of the bodies in it."""
    for field in ("body", "orelse", "finalbody"):
        for index, statement in enumerate(getattr(holder, field, [])):
            here = place._replace(statement=statement)
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # a docstring
            if isinstance(statement, (ast.Expr, ast.Raise, ast.AugAssign, ast.Continue, ast.Break)):
                yield _Site(holder, field, index, ast.copy_location(ast.Pass(), statement), statement, here)
            if isinstance(statement, (ast.If, ast.While)):
                yield _Site(statement, "test", None, ast.copy_location(ast.Constant(False), statement.test), statement, here)
                if not isinstance(statement.test, (ast.Compare, ast.UnaryOp)):
                    opposite = ast.copy_location(ast.UnaryOp(ast.Not(), statement.test), statement.test)
                    yield _Site(statement, "test", None, opposite, statement, here)
            if not isinstance(statement, (ast.Raise, ast.FunctionDef)):
                yield from _parts(statement, here, statement)
            yield from _statements(statement, here)
    for case in [*getattr(holder, "cases", []), *getattr(holder, "handlers", [])]:
        yield from _parts(case, place, case)
        yield from _statements(case, place)


def _parts(node: ast.AST, place: _Place, shown: ast.AST) -> Iterator[_Site]:
    for field, value in ast.iter_fields(node):
        if field in _SKIPPED and not isinstance(node, (ast.IfExp, ast.Lambda)):
            continue
        for index, each in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(each, ast.AST):
                yield from _inside(node, field, index, each, place, shown)


def _inside(holder: ast.AST, field: str, index: int | None, node: ast.AST, place: _Place, shown: ast.AST) -> Iterator[_Site]:
    """What can be changed in `node`, which is `holder.field`, or an element of it."""
    around = node if isinstance(node, _TELLING) else shown

    def instead(new: ast.AST) -> _Site:
        return _Site(holder, field, index, ast.copy_location(new, node), shown, place)

    match node:
        case ast.Compare(ops=ops):
            for at, each in enumerate(ops):
                for other in _COMPARISONS[type(each)]:
                    yield _Site(node, "ops", at, other(), node, place)
        case ast.BoolOp(op=op, values=values):
            yield _Site(node, "op", None, ast.Or() if isinstance(op, ast.And) else ast.And(), node, place)
            for at in range(len(values)):
                yield _Site(node, "values", at, None, node, place) if len(values) > 2 else instead(values[1 - at])
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield instead(operand)
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            yield _Site(node, "op", None, _ARITHMETIC[type(op)](), node, place)
        case ast.IfExp(test=test):
            yield _Site(node, "test", None, ast.copy_location(ast.UnaryOp(ast.Not(), test), test), node, place)
        case ast.Call(func=ast.Name(id="InvariantBroken")):
            return
        case ast.Call(func=ast.Name(id=name) as function, keywords=keywords):
            if name in _CALLS:
                yield _Site(function, "id", None, _CALLS[name], node, place)
            for at in range(len(keywords) if name == "replace" else 0):
                yield _Site(node, "keywords", at, None, node, place)
        case ast.List(elts=elements, ctx=ast.Load()) if len(elements) > 1:
            for at in range(len(elements)):
                yield _Site(node, "elts", at, None, node, place)
        case ast.Constant(value=bool() as truth):
            yield instead(ast.Constant(not truth))
        case ast.Constant(value=int() as number):
            yield instead(ast.Constant(number + 1))
            if number > 1:
                yield instead(ast.Constant(number - 1))
        case ast.Constant(value=str() as text) if text:
            yield instead(ast.Constant(text + "~"))
        case _:
            pass
    yield from _parts(node, place, around)
