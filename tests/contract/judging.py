"""Puts the judge beside every test: whatever test talks to a sandbox's Mailchimp is a contract test, too.

A plugin of pytest. A test fails in the phase in which it, or syncd in it, broke the schema.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from syncd.sandbox.witness import listening
from tests.contract.mailchimp_judge import Judge
from tests.contract.mailchimp_schema import published

MARKER = "off_schema(reason): the test itself sends what Mailchimp's published schema forbids; syncd never may"


class Judging:
    """One judge for all tests of a session."""

    def __init__(self) -> None:
        self.judge = Judge(published())

    def pytest_configure(self, config: pytest.Config) -> None:
        """Afterwards the marker is known."""
        config.addinivalue_line("markers", MARKER)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Listens as long as a test runs, its fixtures included."""
        self.judge.off_schema = item.get_closest_marker("off_schema") is not None
        with listening(self.judge.hear):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None]:
        """Fails for a fault in a fixture."""
        yield
        self._fail()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None]:
        """Fails for a fault in the test; where that failed already, says so, too."""
        try:
            yield
        except Exception as error:
            for fault in self.judge.take():
                error.add_note(f"Besides, against Mailchimp's schema: {fault}")
            raise
        self._fail()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None]:
        """Fails for a fault while things are put away."""
        yield
        self._fail()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tells the process that gave this one its tests, where there is one."""
        if (told := getattr(session.config, "workeroutput", None)) is not None:
            told["judged"] = dict(self.judge.exchanges)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Adds up what the processes tell that were given tests."""
        self.judge.exchanges.update(getattr(node, "workeroutput", {}).get("judged", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says how much was judged."""
        if judged := self.judge.exchanges:
            told = f"{judged.total():,} exchanges with the sandbox's Mailchimp held against its published schema"
            terminalreporter.write_line(f"{told}, of {len(judged)} operations")

    def _fail(self) -> None:
        if faults := self.judge.take():
            pytest.fail("against Mailchimp's published schema:\n" + "\n".join(dict.fromkeys(faults)), pytrace=False)
