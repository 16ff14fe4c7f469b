from __future__ import annotations

import function_app

from unigate import Headers, Request
from unigate.events import azure


def test_the_function_answers() -> None:
    event = azure.make_event(Request("GET", b"/", headers=Headers([("host", "example.org")])))
    function = function_app.main._function.get_user_function()
    assert azure.from_reply(function(event, None)).body == b"received via azure"
