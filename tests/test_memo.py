from __future__ import annotations

from unigate.memo import Memo


def test_a_result_is_made_once() -> None:
    calls: list[str] = []

    def upper(text: str) -> str:
        calls.append(text)
        return text.upper()

    memo = Memo(upper)
    assert [memo.get("a") or memo.learn("a") for _ in range(3)] == ["A", "A", "A"]
    assert calls == ["a"]


def test_arguments_without_end_do_not_fill_it() -> None:
    memo = Memo(str, most=10)
    for number in range(1000):
        assert memo.learn(number) == str(number)
        assert len(memo) <= 10
    assert memo.get(999) == "999"
