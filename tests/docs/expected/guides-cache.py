from __future__ import annotations

import main
import pytest


def test_a_value_is_made_once_until_its_tag_expires(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.shops("NL") == main.shops("NL") == {"shops in": "NL"}
    main.cache.expire_tag("shops")
    main.shops("NL")
    assert capsys.readouterr().out == "loading NL\n" * 2
