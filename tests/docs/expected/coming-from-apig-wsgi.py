from __future__ import annotations

import main

from tests.docs.before import before, event


def test_the_answer_stays() -> None:
    old = before().handler(event("/users/ada"), None)
    new = main.handler(event("/users/ada"), None)
    assert (new["statusCode"], new["body"]) == (old["statusCode"], old["body"])
    assert '"ada"' in new["body"]
