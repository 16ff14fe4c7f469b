from __future__ import annotations

import main

from unigate import Headers, Request
from unigate.events import google


def test_the_function_answers() -> None:
    event = google.make_event(Request("GET", b"/", headers=Headers([("host", "example.org")])))
    assert google.from_reply(main.main(event)).body == b"received via google"
