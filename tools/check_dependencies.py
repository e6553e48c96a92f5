"""Asks the advisory services whether anything we depend on is known to be unsafe, and looks at the licences of what we ship.

    known flaws   pip-audit over requirements.lock, npm audit over web/package-lock.json: exits 1 if one is found
    licences      of what is installed, by its own word: exits 1 for a strong copyleft in what we ship

A service that cannot be reached is said loudly and passed over: no list kept here would be new enough to stand in for it.
Run by `make check`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PATIENCE_S = 120
_AWAY = re.compile(
    r"(?i)(connection|resolve|network|timed? ?out|unreachable|ENOTFOUND|ECONN|EAI_AGAIN|proxy|service unavailable|ssl"
    r"|40[34]|50[0-9]|not implemented|ENOAUDIT|audit endpoint)"
)
#: Licences that would bind what we distribute. Weaker ones (LGPL, MPL) bind only the library itself.
_STRONG = re.compile(r"(?<!L)\b(?:AGPL|GPL|SSPL|GNU (?:Affero )?General Public)", re.IGNORECASE)


def python() -> list[str]:
    """Known flaws of what requirements.lock pins."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", "requirements.lock", "--no-deps", "--disable-pip",
               "--format", "json", "--progress-spinner", "off", "--timeout", "15"]  # fmt: skip
    done = _asked(command, ROOT, "pip-audit")
    if done is None:
        return []
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return _odd("pip-audit", done)
    return [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw.get('fix_versions') or ['nothing yet'])}"
        for each in packages
        for flaw in each.get("vulns", [])
    ]


def node() -> list[str]:
    """Known flaws of what the front ends are built from and with."""
    done = _asked(["npm", "audit", "--json", "--package-lock-only"], ROOT / "web", "npm audit")
    if done is None:
        return []
    try:
        flaws = json.loads(done.stdout)["vulnerabilities"]
    except (ValueError, KeyError):
        return _odd("npm audit", done)
    return [f"{name}: {flaw['severity']}" for name, flaw in sorted(flaws.items()) if flaw["severity"] in ("high", "critical")]


def licences() -> list[str]:
    """Strong copyleft among what the project needs to run."""
    found = []
    for name in sorted(_shipped()):
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        stated = [
            about.get("License-Expression") or "",
            *(each for each in about.get_all("Classifier") or [] if "License" in each),
        ]
        said = "; ".join(filter(None, stated)) or (about.get("License") or "").splitlines()[0:1]
        if _STRONG.search(str(said)) and not re.search(r"(?i)\bor\b|lesser|library", str(said)):
            found.append(f"{name}: {said}")
    return found


def _shipped() -> set[str]:
    """What an installed wheel of ours asks for, and what that asks for."""
    wanted, known = ["tongbao"], set[str]()
    while wanted:
        name = wanted.pop()
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for need in needs:
            each = re.split(r"[ ;<>=!~\[(]", need, maxsplit=1)[0].lower()
            if "extra ==" not in need and each not in known:
                known.add(each)
                wanted.append(each)
    return known


def _asked(command: list[str], folder: Path, what: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (subprocess.TimeoutExpired, FileNotFoundError) as failure:
        _away(what, type(failure).__name__)
        return None


def _odd(what: str, done: subprocess.CompletedProcess[str]) -> list[str]:
    said = (done.stderr or done.stdout).strip()
    if _AWAY.search(said):
        _away(what, said.splitlines()[-1][:160])
        return []
    return [f"{what} failed: {said[:400]}"]


def _away(what: str, why: str) -> None:
    print(f"*** NOT CHECKED: {what} could not reach its advisory service ({why}).", file=sys.stderr)
    print("*** Known flaws of dependencies were NOT looked for. Run `make check` where the service answers.", file=sys.stderr)


if __name__ == "__main__":
    told = [*python(), *node(), *licences()]
    print("\n".join(told)) if told else None
    sys.exit(1 if told else 0)
