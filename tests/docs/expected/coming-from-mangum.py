from __future__ import annotations

import asyncio

import main
import pytest

from tests.docs.before import before, event


@pytest.mark.filterwarnings("ignore")
def test_the_answer_stays() -> None:
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        old = before().handler(event("/users/ada"), None)
    new = main.handler(event("/users/ada"), None)
    assert (new["statusCode"], new["body"]) == (old["statusCode"], old["body"])
    assert new["body"] == '{"name":"ada","path":"/users/ada"}'
