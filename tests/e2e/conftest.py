"""The real product and a real Chromium. The product starts once for all browser tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.e2e.browsers import Windows, chromium
from tests.e2e.product import Product, product_running
from tongbao.app import frontends
from tongbao.kernel.postgres import EmbeddedPostgres, create_database, drop_database


@pytest.fixture(scope="session")
def product(
    postgres_server: EmbeddedPostgres, database_template: str, tmp_path_factory: pytest.TempPathFactory, worker_name: str
) -> Iterator[Product]:
    """The whole product, with one shop and its operator."""
    assert frontends.built() is not None, "the front ends are not built: run `make web`"
    name = f"e2e_{worker_name}"
    dsn = create_database(postgres_server.dsn, name, database_template)
    with product_running(tmp_path_factory.mktemp("e2e"), dsn) as product:
        yield product
    drop_database(postgres_server.dsn, name)


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    """This process among those that share the tests."""
    return str(getattr(request.config, "workerinput", {}).get("workerid", "alone"))


# Playwright keeps its loop running in the thread between calls, which asyncio tests do not bear: so each module has its own.
@pytest.fixture(scope="module")
def playwright_program() -> Iterator[Playwright]:
    with sync_playwright() as program:
        yield program


@pytest.fixture(scope="module")
def browser(playwright_program: Playwright) -> Iterator[Browser]:
    with chromium(playwright_program) as browser:
        yield browser


@pytest.fixture
def windows(browser: Browser, product: Product) -> Iterator[Windows]:
    """Windows for this test. Afterwards no page may have complained, broken the policy or called another host."""
    windows = Windows(browser, product.url)
    yield windows
    windows.close()
    assert windows.troubles == []
