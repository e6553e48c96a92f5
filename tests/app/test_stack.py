"""The commands an operator runs: `doctor` says what is wrong, `serve` keeps and ends its processes, `demo` comes back."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

import tongbao
from tongbao.app import runtime, seed
from tongbao.app.commands.serve import accepting, listening_socket
from tongbao.app.settings import Settings
from tongbao.app.stack import answering, ended, free_port, running, spawn
from tongbao.identity.binding import BoundSession
from tongbao.kernel.postgres import EmbeddedPostgres

pytestmark = [pytest.mark.timeout(150), pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")]

Doctor = Callable[..., tuple[int, str]]


def environment(**settings: str) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAO_")}
    path = os.pathsep.join((str(Path(tongbao.__file__).parents[1]), os.environ.get("PYTHONPATH", "")))
    given = {f"TONGBAO_{name.upper()}": value for name, value in settings.items()}
    return others | {"PYTHONPATH": path, "COLUMNS": "200"} | given


def descendants(pid: int) -> dict[int, str]:
    """Every process below this one, with its command line."""
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
                waiting.append(child)
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; one that waits to be buried does not."""
    running = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            running.add(pid)
    return running


async def until(holds: Callable[[], bool], otherwise: str, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.05)


# ── doctor ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Runs the command with these settings: its exit status and what it said."""

    def run(**settings: str) -> tuple[int, str]:
        given = {"data_dir": str(tmp_path / "data"), "port": str(free_port())} | settings
        command = [sys.executable, "-m", "tongbao", "doctor"]
        done = subprocess.run(command, env=environment(**given), capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A folder with keys in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    runtime.keys(Settings(data_dir=folder))
    return folder


def test_doctor_of_a_folder_with_nothing_running_finds_nothing_broken(doctor: Doctor, ready: Path) -> None:
    status, said = doctor()
    assert status == 0, said
    assert "the embedded server is not running" in said
    assert "does not answer (bank_unavailable), and TONGBAO_BANK_URL names none" in " ".join(said.split())
    assert "readable by its owner only" in said


def test_doctor_of_the_demonstrations_folder_says_that_its_bank_runs_with_it(doctor: Doctor, ready: Path) -> None:
    (ready / "bank").mkdir()
    assert "runs with `tongbao demo`, which is not running" in " ".join(doctor()[1].split())
    with (ready.parent / "demo.lock").open("w") as lock:
        assert "which is not running" in doctor()[1]
        fcntl.flock(lock, fcntl.LOCK_EX)  # as the demonstration does while it runs
        assert "simulated: runs with the demonstration" in doctor()[1]
        assert "does not answer" in doctor(bank_url=f"http://127.0.0.1:{free_port()}")[1], "another bank is asked"


def test_doctor_changes_nothing(doctor: Doctor, tmp_path: Path) -> None:
    status, said = doctor()
    assert status == 0, said
    assert "none yet: made at the first start" in said
    assert not (tmp_path / "data").exists()


def test_doctor_calls_keys_that_others_can_read_broken(doctor: Doctor, ready: Path) -> None:
    (ready / "keys.json").chmod(0o644)
    status, said = doctor()
    assert status == 1
    assert "chmod 600" in said


def test_doctor_calls_a_public_address_without_tls_broken(doctor: Doctor, ready: Path) -> None:
    status, said = doctor(host="0.0.0.0")  # noqa: S104 (nothing listens)
    assert status == 1
    assert "reachable by others without TLS" in said
    status, said = doctor(host="0.0.0.0", secure_cookies="true", registration_codes="true")  # noqa: S104
    assert "reachable by others without TLS" not in said
    assert status == 1 and "none was ever made here" in said, "what others can reach must have a backup"


def test_doctor_calls_a_database_that_does_not_answer_broken_and_keeps_its_password(doctor: Doctor, ready: Path) -> None:
    status, said = doctor(database_url=f"postgresql://u:verysecret@127.0.0.1:{free_port()}/x")  # not a secret
    assert status == 1
    assert "does not answer" in said
    assert "verysecret" not in said


def test_doctor_calls_commits_that_may_be_lost_broken(doctor: Doctor, ready: Path, database: str) -> None:
    status, said = doctor(database_url=database)  # the test run's server has fsync off
    assert status == 1
    assert "commits are not durable" in said


def test_doctor_names_a_setting_that_does_not_exist(doctor: Doctor) -> None:
    status, said = doctor(databse_url="x")
    assert status == 1
    assert "unknown setting: TONGBAO_DATABSE_URL" in said


async def test_doctor_of_a_running_stack_finds_all_well(doctor: Doctor, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", port=free_port())
    async with running(settings, log=tmp_path / "log") as stack:
        status, said = await asyncio.to_thread(doctor, port=str(settings.port), bank_url=stack.bank.url)
    assert status == 0, said
    assert "durable, up to date" in said
    assert said.count("ok") >= 3
    assert not EmbeddedPostgres(settings.data_dir / "postgres").is_running()


# ── serve ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def serving(database: str, folder: Path, processes: int) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    settings = Settings(data_dir=folder / "data", database_url=database, port=free_port(), processes=processes)
    url = f"http://127.0.0.1:{settings.port}"
    with (folder / "log").open("ab") as log:
        process = await spawn("serve", settings, log)
        try:
            await answering(url, process)
            yield process, url
        finally:
            await ended(process)


def server_processes(parent: int) -> set[int]:
    return {pid for pid, command in descendants(parent).items() if "spawn_main" in command}


async def answers(url: str, times: int) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
        for _ in range(times):
            try:
                if (await client.get(f"{url}/health", headers={"connection": "close"})).status_code != 200:
                    return False
            except httpx.TransportError:  # the connection was given to the one that is being killed
                return False
    return True


async def test_a_server_process_that_is_killed_is_started_again(database: str, tmp_path: Path) -> None:
    async with serving(database, tmp_path, processes=2) as (process, url):
        await until(lambda: len(server_processes(process.pid)) == 2, "there are no two server processes")
        before = server_processes(process.pid)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(alive(server_processes(process.pid) - {victim})) == 2, "it is not started again")
        assert before - {victim} < server_processes(process.pid)
        deadline = time.monotonic() + 20
        while not await answers(url, 20):
            assert time.monotonic() < deadline, "the server does not answer"
        assert process.returncode is None


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly_and_no_process_is_left(
    database: str, tmp_path: Path, processes: int, number: signal.Signals
) -> None:
    async with serving(database, tmp_path, processes) as (process, url):
        # Whoever still hangs on an idle connection does not hold it up for long.
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/health")).status_code == 200
            children = set(descendants(process.pid))
            process.send_signal(number)
            status = await asyncio.wait_for(process.wait(), 20)
        # A single process dies of the signal itself, as a shell or a supervisor expects; click calls Ctrl-C status 1.
        assert status == 0 or (processes == 1 and status in (-number, 1 if number == signal.SIGINT else 0))
        await until(lambda: not alive(children), "a process is left")
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def test_a_server_process_that_starts_does_not_make_the_ones_that_serve_block() -> None:
    with listening_socket("127.0.0.1", 0) as bound:
        # As multiprocessing hands it to a child: another descriptor of the same open socket, which believes that it blocks.
        inherited = socket.socket(bound.family, bound.type, bound.proto, fileno=os.dup(bound.fileno()))
        blocked: list[bool] = []

        class Watched(socket.socket):
            def dup(self) -> Self:
                copy = super().dup()
                blocked.append(os.get_blocking(bound.fileno()))
                return copy

        watched = Watched(bound.family, bound.type, bound.proto, fileno=inherited.detach())
        copies = accepting(watched)
        try:
            assert len(blocked) == 15
            assert not any(blocked)
            assert not os.get_blocking(bound.fileno())
        finally:
            for copy in copies:
                copy.close()


async def test_no_server_outlives_a_parent_that_is_killed(database: str, tmp_path: Path) -> None:
    async with serving(database, tmp_path, processes=2) as (process, _):
        await until(lambda: len(server_processes(process.pid)) == 2, "there are no two server processes")
        children = server_processes(process.pid)
        process.kill()
        await process.wait()
        try:
            await until(lambda: not alive(children), "a server process is left", timeout_s=8.0)
        finally:
            for pid in alive(children):
                os.kill(pid, signal.SIGKILL)


# ── demo ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def demo_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    EmbeddedPostgres(folder / "demo" / "postgres").stop()


@asynccontextmanager
async def demonstration(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """`tongbao demo` until the end of the block; then it must stop cleanly, with everything it started."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given = environment(data_dir=str(folder), port=str(port))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tongbao", "demo", env=given, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await answering(url, process)
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20.0) as client:
            yield client
        children = set(descendants(process.pid))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 40) == 0
        await until(lambda: not alive(children), "a process is left")
        assert not EmbeddedPostgres(folder / "demo" / "postgres").is_running()
    finally:
        await ended(process)


async def logged_in(client: httpx.AsyncClient, audience: str, login: str) -> None:
    answer = await client.post(f"/v1/{audience}/login", json={"login": login, "password": seed.PASSWORD})
    assert answer.status_code == 200, answer.text
    client.auth = BoundSession(answer.json()["token"], answer.json()["binding"])


async def seen(client: httpx.AsyncClient) -> dict[str, Any]:
    """What the first person and the first shop see."""
    await logged_in(client, "wallet", seed.PEOPLE[0].login)
    balance = (await client.get("/v1/wallet/balance")).json()
    bills = (await client.get("/v1/wallet/bills", params={"limit": 100})).json()["items"]
    banks = (await client.get("/v1/wallet/bank-accounts")).json()["items"]
    await logged_in(client, "merchant", seed.SHOPS[0].login)
    orders = (await client.get("/v1/merchant/orders", params={"limit": 100})).json()["items"]
    return {"balance": balance, "bills": bills, "banks": banks, "orders": orders}


async def test_the_demonstration_comes_back_with_its_data(demo_folder: Path) -> None:
    async with demonstration(demo_folder) as client:
        first = await seen(client)
        assert len(first["bills"]) > 10
        assert len(first["orders"]) > 10
        await bills_read_the_same_alone(client)
    async with demonstration(demo_folder) as client:
        assert await seen(client) == first
        # The bank remembers as well: its books go on where they were.
        await logged_in(client, "wallet", seed.PEOPLE[0].login)
        body = {
            "bank_account_id": first["banks"][0]["bank_account_id"], "amount": "12.00", "currency": "CNY", "pin": seed.PIN,
        }  # fmt: skip
        answer = await client.post("/v1/wallet/topups", json=body, headers={"idempotency-key": "a-second-start"})
        assert answer.json()["state"] == "SUCCEEDED"


async def bills_read_the_same_alone(client: httpx.AsyncClient) -> None:
    listed: list[Any] = []
    alone: list[Any] = []
    for person in seed.PEOPLE:
        await logged_in(client, "wallet", person.login)
        page = (await client.get("/v1/wallet/bills", params={"limit": 100})).json()["items"]
        listed += page
        alone += [(await client.get(f"/v1/wallet/bills/{bill['bill_id']}")).json() for bill in page]
    assert any(bill["kind"] == "refund" for bill in listed)
    assert listed == alone
