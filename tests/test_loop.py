"""One event loop per process: where it runs, what survives, and how it ends."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import gc
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

import pytest

import unigate
from unigate import Gateway
from unigate.loop import ProcessLoop, at_exit

T = TypeVar("T")
SECONDS = 10  # more than anything here takes; only a failure waits for so long
pytestmark = pytest.mark.usefixtures("bounded")
EVENT = {"path": "/", "httpMethod": "GET", "headers": {}, "body": "", "queryStringParameters": ""}


@pytest.fixture
def loop(bounded: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessLoop]:
    """The loop of the process, as if nothing had run yet."""
    fresh = ProcessLoop()
    monkeypatch.setattr("unigate.loop._process_loop", fresh)
    yield fresh
    fresh.close()


def answering(work: Callable[[], Awaitable[object]]) -> Gateway:
    """Return a gateway whose application answers with what `work` returns."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = str(await work()).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return unigate.wrap(app, lifespan="off", on_error="raise")


def ask(gateway: Gateway) -> str:
    return body_of(gateway.lambda_handler(EVENT))


def body_of(reply: Any) -> str:
    assert reply["statusCode"] == 200
    body: str = reply["body"]
    return body


async def thread_id() -> int:
    return threading.get_ident()


async def loop_id() -> int:
    await asyncio.sleep(0)
    return id(asyncio.get_running_loop())


def in_threads(calls: list[Callable[[], T]]) -> list[T]:
    """Make all calls at the same time, each in a thread of its own."""
    barrier = threading.Barrier(len(calls))
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def run(number: int, call: Callable[[], T]) -> None:
        try:
            barrier.wait(SECONDS)
            results[number] = call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    if errors:
        raise errors[0]
    assert len(results) == len(calls), "a thread still waits"
    return [results[number] for number in range(len(calls))]


def in_thread(call: Callable[[], T]) -> T:
    return in_threads([call])[0]


def use_thread(loop: ProcessLoop) -> None:
    """Make the loop run in a thread of its own."""
    loop.in_thread()


# --- where it runs --------------------------------------------------------------------------------


def test_it_runs_inline_while_one_thread_calls(loop: ProcessLoop) -> None:
    gateway = answering(thread_id)
    here = str(threading.get_ident())
    assert [ask(gateway) for _ in range(3)] == [here] * 3


def test_one_loop_serves_all_gateways(loop: ProcessLoop) -> None:
    assert ask(answering(loop_id)) == ask(answering(loop_id))


def test_it_moves_to_a_thread_of_its_own_when_a_second_thread_calls(loop: ProcessLoop) -> None:
    async def where() -> str:
        return f"{threading.current_thread().name} {id(asyncio.get_running_loop())}"

    gateway = answering(where)
    name, same_loop = ask(gateway).split()
    assert name == threading.current_thread().name
    moved = f"unigate-loop {same_loop}"
    assert in_thread(lambda: ask(gateway)) == moved
    assert ask(gateway) == moved


def test_a_second_thread_is_served_in_the_middle_of_an_inline_run(loop: ProcessLoop) -> None:
    inside = threading.Event()
    released: list[asyncio.Event] = []

    async def first() -> int:
        released.append(asyncio.Event())
        inside.set()
        await asyncio.wait_for(released[0].wait(), SECONDS)
        return threading.get_ident()

    async def second() -> int:
        released[0].set()
        return threading.get_ident()

    def ask_second() -> str:
        assert inside.wait(SECONDS)
        return ask(answering(second))

    def ask_first() -> tuple[int, str, str]:
        here = threading.get_ident()
        return here, ask(answering(first)), ask(answering(thread_id))

    (here, answer, later), other = in_threads([ask_first, ask_second])
    assert answer == str(here)
    assert other == str(here), "served by the run that was under way"
    assert later != str(here), "handed over when that run had ended"


def test_it_runs_elsewhere_when_the_caller_has_a_running_loop(loop: ProcessLoop) -> None:
    gateway = answering(thread_id)

    async def notebook() -> str:
        return ask(gateway)

    assert asyncio.run(notebook()) != str(threading.get_ident())


def test_it_is_the_same_loop_before_during_and_after_asyncio_run(loop: ProcessLoop) -> None:
    gateway = answering(loop_id)

    async def during() -> list[str]:
        return [ask(gateway), body_of(await gateway.handle(EVENT))]

    seen = [ask(gateway), *asyncio.run(during()), ask(gateway), *asyncio.run(during())]
    assert len(set(seen)) == 1


def test_it_starts_inline_after_asyncio_run(loop: ProcessLoop) -> None:
    asyncio.run(asyncio.sleep(0))
    assert ask(answering(thread_id)) == str(threading.get_ident())


def test_handle_answers_many_at_once_from_loop_after_loop(loop: ProcessLoop) -> None:
    gateway = answering(loop_id)

    async def fifty() -> list[str]:
        replies = await asyncio.gather(*(gateway.handle(EVENT) for _ in range(50)))
        return [body_of(reply) for reply in replies]

    seen = [*asyncio.run(fifty()), *asyncio.run(fifty()), *asyncio.run(fifty())]
    assert len(seen) == 150
    assert len(set(seen)) == 1


def test_handle_does_not_block_the_loop_of_its_caller(loop: ProcessLoop) -> None:
    asked, released = threading.Event(), threading.Event()

    async def wait() -> bool:
        asked.set()
        return await asyncio.to_thread(released.wait, SECONDS)

    async def main() -> str:
        waiting = asyncio.create_task(answering(wait).handle(EVENT))
        assert await asyncio.to_thread(asked.wait, SECONDS)
        released.set()  # could not happen in a blocked loop
        return body_of(await waiting)

    assert asyncio.run(main()) == "True"


def test_handle_runs_in_place_inside_the_loop(loop: ProcessLoop) -> None:
    inner = answering(loop_id)

    async def outer() -> bool:
        reply = await asyncio.wait_for(inner.handle(EVENT), SECONDS)
        return body_of(reply) == str(await loop_id())

    assert ask(answering(outer)) == "True"
    assert loop._thread is None, "that needs no thread"


def test_a_cancelled_handle_cancels_the_application(loop: ProcessLoop) -> None:
    asked, cancelled = threading.Event(), threading.Event()

    async def wait() -> None:
        try:
            asked.set()
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def main() -> None:
        waiting = asyncio.create_task(answering(wait).handle(EVENT))
        assert await asyncio.to_thread(asked.wait, SECONDS)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await asyncio.to_thread(cancelled.wait, SECONDS)

    asyncio.run(main())


def test_32_threads_at_once_share_one_loop(loop: ProcessLoop) -> None:
    gateway = answering(loop_id)
    seen = in_threads([lambda: ask(gateway)] * 32)
    assert len(seen) == 32
    assert len(set(seen)) == 1


def ten_loops(fresh: ProcessLoop) -> set[int]:
    """Return the loops of ten calls."""
    return {fresh.run(loop_id()) for _ in range(10)}


def test_no_call_is_lost_when_threads_take_turns() -> None:
    for _ in range(40):  # each time, the loop is handed over at another moment
        fresh = ProcessLoop()
        seen = in_threads([partial(ten_loops, fresh)] * 3)
        fresh.close()
        assert len(set().union(*seen)) == 1


@pytest.mark.parametrize("thread", [False, True], ids=["inline", "thread"])
def test_calling_from_inside_the_loop_is_refused_with_advice(
    loop: ProcessLoop, thread: bool
) -> None:
    if thread:
        use_thread(loop)
    inner = answering(thread_id)

    async def outer() -> str:
        with pytest.raises(RuntimeError, match=r"await app\.handle\("):
            inner.lambda_handler(EVENT)
        gc.collect()  # a coroutine that was never awaited would warn here
        return "refused"

    assert ask(answering(outer)) == "refused"


# --- what survives --------------------------------------------------------------------------------


def test_pools_of_the_first_invocation_work_in_later_ones(loop: ProcessLoop) -> None:
    pool: dict[str, Any] = {}

    async def work() -> str:
        if not pool:
            pool.update(lock=asyncio.Lock(), asked=asyncio.Queue(), answers=asyncio.Queue())
            pool["worker"] = asyncio.create_task(echo())
        async with pool["lock"]:
            pool["asked"].put_nowait("echo")
            answer: str = await asyncio.wait_for(pool["answers"].get(), SECONDS)
            return answer

    async def echo() -> None:
        while True:
            pool["answers"].put_nowait(await pool["asked"].get())

    gateway = answering(work)
    assert [ask(gateway), ask(gateway)] == ["echo", "echo"]
    assert in_threads([lambda: ask(gateway)] * 4) == ["echo"] * 4
    assert ask(gateway) == "echo"


def test_a_stray_task_finishes_in_a_later_invocation(loop: ProcessLoop) -> None:
    seen: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def stray() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        seen.append("stray")

    async def work() -> str:
        if not tasks:
            tasks.add(asyncio.create_task(stray()))
        else:
            await asyncio.wait(tasks, timeout=SECONDS)
        return ",".join(seen)

    gateway = answering(work)
    assert [ask(gateway), ask(gateway)] == ["", "stray"]


def test_a_stray_task_goes_on_between_invocations_once_there_is_a_thread(
    loop: ProcessLoop,
) -> None:
    done = threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def stray() -> None:
        await asyncio.sleep(0)
        done.set()

    async def work() -> None:
        tasks.append(asyncio.create_task(stray()))

    ask(answering(work))
    use_thread(loop)
    assert done.wait(SECONDS)


def test_a_stray_task_that_exits_does_not_end_the_thread(loop: ProcessLoop) -> None:
    use_thread(loop)
    tasks: list[asyncio.Task[None]] = []

    async def stray() -> None:
        raise SystemExit(3)

    async def work() -> None:
        tasks.append(asyncio.create_task(stray()))

    ask(answering(work))

    async def later() -> object:
        await asyncio.wait(tasks, timeout=SECONDS)
        return tasks[0].exception()

    assert ask(answering(later)) == "3"


# --- what the caller sees -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("thread", [False, True], ids=["inline", "thread"])
def test_an_exit_in_the_application_reaches_the_caller_and_the_loop_goes_on(
    loop: ProcessLoop,
    caplog: pytest.LogCaptureFixture,
    kind: type[BaseException],
    thread: bool,
) -> None:
    if thread:
        use_thread(loop)

    async def leave() -> None:
        await asyncio.sleep(0)
        raise kind("enough")

    with pytest.raises(kind, match="enough"):
        ask(answering(leave))
    assert ask(answering(loop_id)) == ask(answering(loop_id))
    with pytest.raises(kind, match="enough"):
        asyncio.run(answering(leave).handle(EVENT))
    assert ask(answering(loop_id)) == ask(answering(loop_id))
    gc.collect()
    assert not caplog.records, "asyncio has nothing to complain about"


@pytest.mark.parametrize("thread", [False, True], ids=["inline", "thread"])
def test_an_application_that_stops_the_loop_does_not_stop_the_next(
    loop: ProcessLoop, thread: bool
) -> None:
    if thread:
        use_thread(loop)

    async def work() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "went on"

    if thread:
        assert ask(answering(work)) == "went on"
    else:
        with pytest.raises(RuntimeError, match="stopped before"):
            ask(answering(work))
    assert ask(answering(loop_id)) == ask(answering(loop_id))


def test_others_are_answered_while_one_exits(loop: ProcessLoop) -> None:
    use_thread(loop)
    exits = threading.Barrier(2)

    async def leave() -> None:
        await asyncio.to_thread(exits.wait, SECONDS)
        raise SystemExit(5)

    async def stay() -> str:
        await asyncio.to_thread(exits.wait, SECONDS)
        await asyncio.sleep(0)
        return "stayed"

    def ask_leave() -> str:
        with pytest.raises(SystemExit):
            ask(answering(leave))
        return "left"

    assert in_threads([ask_leave, lambda: ask(answering(stay))]) == ["left", "stayed"]


def test_an_interrupted_inline_run_cancels_the_application(loop: ProcessLoop) -> None:
    seen: list[str] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def work() -> None:
        asyncio.get_running_loop().call_soon(interrupt)  # as a signal between two steps
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        ask(answering(work))
    ask(answering(loop_id))
    assert seen == ["cancelled"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt, which a job in the background of a shell ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_waiting_thread_cancels_the_application(loop: ProcessLoop) -> None:
    use_thread(loop)
    caller = threading.get_ident()
    cancelled = threading.Event()

    async def work() -> None:
        for _ in range(SECONDS * 1000):
            if sys._current_frames()[caller].f_code.co_name == "wait":
                break
            await asyncio.sleep(0.001)
        signal.pthread_kill(caller, signal.SIGINT)
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(KeyboardInterrupt):
        ask(answering(work))
    assert cancelled.wait(SECONDS)
    ask(answering(loop_id))


@pytest.mark.parametrize("host", ["inline", "thread", "handle"])
def test_context_variables_reach_the_application_and_do_not_leak(
    loop: ProcessLoop, host: str
) -> None:
    from_caller = contextvars.ContextVar[str]("from_caller", default="unset")
    from_app = contextvars.ContextVar[str]("from_app", default="unset")
    if host == "thread":
        use_thread(loop)

    async def work() -> str:
        seen = f"{from_caller.get()} {from_app.get()}"
        from_app.set("set by an earlier request")
        from_caller.set("overwritten")
        return seen

    def call(value: str) -> str:
        from_caller.set(value)
        gateway = answering(work)
        if host == "handle":
            return body_of(asyncio.run(gateway.handle(EVENT)))
        return ask(gateway)

    def both() -> list[str]:
        return [call("one"), call("two"), from_caller.get(), from_app.get()]

    expected = ["one unset", "two unset", "two", "unset"]
    assert contextvars.copy_context().run(both) == expected


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("thread", [False, True], ids=["inline", "thread"])
def test_closing_cancels_what_still_runs(loop: ProcessLoop, thread: bool) -> None:
    seen: list[str] = []
    kept: list[Any] = []
    before = threading.active_count()  # the process-wide loop may have one from other tests

    async def stray() -> None:
        try:
            await asyncio.sleep(SECONDS)
        finally:
            seen.append("stray")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            seen.append("generator")

    async def work() -> int:
        kept.extend([asyncio.create_task(stray()), numbers()])
        await asyncio.sleep(0)
        first: int = await anext(kept[1])
        return first

    if thread:
        use_thread(loop)
    assert ask(answering(work)) == "1"
    loop.close()
    assert seen == ["stray", "generator"]
    assert threading.active_count() == before


def test_the_last_run_needs_no_thread_whoever_ran_the_loop_before(loop: ProcessLoop) -> None:
    gateway = answering(thread_id)
    assert in_thread(lambda: ask(gateway)) != str(threading.get_ident())
    assert loop.run_last(thread_id()) == threading.get_ident()


def test_the_last_run_may_be_the_first(loop: ProcessLoop) -> None:
    assert loop.run_last(thread_id()) == threading.get_ident()


def test_the_last_run_is_not_kept_out_by_a_run_that_a_signal_ended_at_its_start(
    loop: ProcessLoop,
) -> None:
    class Turn:
        """The lock of a loop, and a signal handler that exits just after it was taken."""

        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.locked, self.release = self.lock.locked, self.lock.release
            self.exits = 1

        def acquire(self, blocking: bool = True) -> bool:
            taken = self.lock.acquire(blocking)
            if self.exits:
                self.exits -= 1
                sys.exit(143)
            return taken

    vars(loop)["_turn"] = Turn()
    with pytest.raises(SystemExit), closing(thread_id()) as first:
        loop.run(first)
    assert in_thread(lambda: loop.run_last(thread_id()) == threading.get_ident())


def test_the_last_run_joins_one_that_is_under_way_in_another_thread(loop: ProcessLoop) -> None:
    inside = threading.Event()
    released: list[asyncio.Event] = []

    async def wait() -> int:
        released.append(asyncio.Event())
        inside.set()
        await asyncio.wait_for(released[0].wait(), SECONDS)
        return threading.get_ident()

    async def release() -> int:
        released[0].set()
        return threading.get_ident()

    def end() -> str:
        assert inside.wait(SECONDS)
        return str(loop.run_last(release()))

    first, last = in_threads([lambda: ask(answering(wait)), end])
    assert first == last


def test_the_last_run_joins_a_loop_that_has_its_thread(loop: ProcessLoop) -> None:
    use_thread(loop)
    assert str(loop.run_last(loop_id())) == ask(answering(loop_id))


def test_closing_twice_is_harmless_and_a_later_call_gets_a_new_loop(loop: ProcessLoop) -> None:
    used: list[asyncio.AbstractEventLoop] = []

    async def work() -> None:
        used.append(asyncio.get_running_loop())

    ask(answering(work))
    loop.close()
    loop.close()
    assert used[0].is_closed()
    ask(answering(work))
    assert used[1] is not used[0]


def test_a_new_loop_starts_inline_though_the_old_one_was_handed_over(loop: ProcessLoop) -> None:
    gateway = answering(thread_id)
    here = str(threading.get_ident())

    async def work() -> None:
        loop.in_thread()

    ask(answering(work))
    assert ask(gateway) != here
    loop.close()
    assert [ask(gateway), ask(gateway)] == [here, here]


def test_closing_leaves_a_loop_alone_that_runs_inline(loop: ProcessLoop) -> None:
    async def work() -> str:
        loop.close()
        await asyncio.sleep(0)
        return "still here"

    gateway = answering(work)
    assert [ask(gateway), ask(gateway)] == ["still here", "still here"]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What is to be called at the end, which is nothing yet; the signal handler is put back.

    No timer ends this process.
    """
    before = signal.getsignal(signal.SIGTERM)
    called: list[Any] = []
    monkeypatch.setattr(atexit, "register", called.append)
    monkeypatch.setattr("unigate.loop._stops", [])
    monkeypatch.setattr("unigate.loop.end_within", lambda seconds, status: None)
    yield called
    signal.signal(signal.SIGTERM, before)


def test_sigterm_stops_at_once_in_reverse_and_exits(
    loop: ProcessLoop, registered: list[Any]
) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stopped: list[str] = []
    stops = [lambda: stopped.append("first"), lambda: stopped.append("second")]
    for stop in stops:
        at_exit(stop)
    assert registered == stops
    with pytest.raises(SystemExit) as exit:
        signal.raise_signal(signal.SIGTERM)
    assert exit.value.code == 143
    assert stopped == ["second", "first"]


def test_sigterm_in_an_inline_run_leaves_the_stopping_to_the_end_of_the_process(
    loop: ProcessLoop, registered: list[Any]
) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stopped: list[str] = []
    at_exit(lambda: stopped.append("in the middle of a request"))

    async def work() -> None:
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit):
        ask(answering(work))
    assert stopped == []


def test_a_sigterm_handler_of_the_applications_own_stays(registered: list[Any]) -> None:
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    at_exit(print)
    signal.raise_signal(signal.SIGTERM)
    assert received == [signal.SIGTERM]
    assert registered == [print]


def test_outside_the_main_thread_sigterm_stays_as_it_is(registered: list[Any]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    in_thread(lambda: at_exit(print))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert registered == [print]


# --- in a process of its own ----------------------------------------------------------------------

PRELUDE = """
import asyncio, os, signal, sys, threading
import unigate

signal.alarm(15)
EVENT = {"path": "/", "httpMethod": "GET", "headers": {}, "body": ""}

async def app(scope, receive, send):
    # Needs another thread to wake the loop up, which a damaged loop would miss.
    pid = await asyncio.to_thread(os.getpid)
    await asyncio.sleep(0.01)
    body = f"{pid} {id(asyncio.get_running_loop())} {threading.current_thread().name}"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})

gateway = unigate.wrap(app, lifespan="off", on_error="raise")

def ask():
    pid, loop, thread = gateway.lambda_handler(EVENT)["body"].split(" ", 2)
    assert int(pid) == os.getpid()
    return loop, thread

def run_all(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()

def ask_in_thread():
    seen = []
    run_all([threading.Thread(target=lambda: seen.append(ask()))])
    return seen[0]
"""

FORKED = """
def fork(call):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        os.write(write, repr(call()).encode())
        os._exit(0)
    os.close(write)
    result = b""
    while chunk := os.read(read, 1000):
        result += chunk
    os.close(read)
    assert os.waitpid(pid, 0) == (pid, 0)
    return eval(result)
"""


def run_script(script: str) -> str:
    """Run a script with all warnings as errors; return its output, which is all it writes."""
    # Python 3.12 warns of every fork beside a thread; that is what is tried here.
    options = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    done = subprocess.run(
        [sys.executable, *options, "-c", script], capture_output=True, text=True, timeout=30
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


@pytest.mark.parametrize(
    "script",
    [
        "ask()",
        "ask(); ask_in_thread(); ask()",
        "ask_in_thread()",
        "asyncio.run(gateway.handle(EVENT))",
        "asyncio.run(asyncio.sleep(0)); ask(); asyncio.run(gateway.handle(EVENT)); ask()",
        "run_all([threading.Thread(target=ask) for _ in range(32)])",
    ],
)
def test_a_process_ends_without_a_word(script: str) -> None:
    assert run_script(PRELUDE + script) == ""


def test_a_process_ends_without_a_word_when_tasks_still_run() -> None:
    script = """
tasks = []

async def forever():
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        print("cancelled", flush=True)

async def straying(scope, receive, send):
    tasks.append(asyncio.create_task(forever()))
    await app(scope, receive, send)

gateway = unigate.wrap(straying, lifespan="off")
ask(), ask(), ask_in_thread(), ask()
"""
    assert run_script(PRELUDE + script) == "cancelled\n" * 4


@pytest.mark.parametrize("before", ["ask()", "ask(), ask_in_thread()"], ids=["inline", "thread"])
def test_both_sides_of_a_fork_have_a_loop_of_their_own(before: str) -> None:
    script = f"""
{before}
parent = ask()
child, threaded, again = fork(lambda: [ask(), ask_in_thread(), ask()])
assert child[1] == "MainThread", "inline again"
assert threaded == again == (child[0], "unigate-loop")
assert child[0] != parent[0]
assert ask() == parent
assert fork(ask)[0] != parent[0]
assert ask() == parent
"""
    assert run_script(PRELUDE + FORKED + script) == ""


@pytest.mark.parametrize("before", ["", "ask_in_thread()"], ids=["inline", "thread"])
def test_a_fork_in_the_middle_of_a_request_works_on_both_sides(before: str) -> None:
    script = f"""
{before}

async def forking(scope, receive, send):
    child = fork(ask)
    assert child[0] != str(id(asyncio.get_running_loop()))
    await app(scope, receive, send)

outer = unigate.wrap(forking, lifespan="off", on_error="raise")
for _ in range(2):
    assert outer.lambda_handler(EVENT)["statusCode"] == 200
ask()
"""
    assert run_script(PRELUDE + FORKED + script) == ""


@pytest.mark.parametrize("before", ["ask()", "ask_in_thread()"], ids=["inline", "thread"])
def test_a_child_that_ends_does_not_take_the_loop_of_its_parent_along(before: str) -> None:
    script = f"""
{before}
pid = os.fork()
if pid == 0:
    print(len(ask()), flush=True)
    os.close(2)  # the parent's loop is open in here, and its going may be told
    sys.exit(0)
assert os.waitpid(pid, 0) == (pid, 0)
ask()
"""
    assert run_script(PRELUDE + FORKED + script) == "2\n"


STUBBORN = """
import contextlib, time
import unigate.asgi.lifespan, unigate.background, unigate.loop

tasks = []

async def stubborn():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)

async def stray(scope, receive, send):
    tasks.append(asyncio.create_task(stubborn()))
    await app(scope, receive, send)

async def generates():
    try:
        yield
    finally:
        await stubborn()

async def leave_open(scope, receive, send):
    generator = generates()
    tasks.append(generator)
    await anext(generator)
    await app(scope, receive, send)

async def block():
    threading.Event().wait()

async def blocking(scope, receive, send):
    await app(scope, receive, send)
    # Later than its response, which is waited for.
    begin = lambda: tasks.append(asyncio.ensure_future(block()))
    asyncio.get_running_loop().call_later(0.05, begin)

def lives(shut_down):
    async def application(scope, receive, send):
        if scope["type"] != "lifespan":
            return await app(scope, receive, send)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await shut_down()
    return application

async def sleep():
    await asyncio.sleep(3600)

def take(application, lifespan="off"):
    global gateway
    gateway = unigate.wrap(application, lifespan=lifespan)

unigate.asgi.lifespan.STOP_SECONDS = unigate.loop.LAST_SECONDS = 0.2
"""
# What an application does, and what is logged of it at the end of the process.
STUBBORN_APPS = {
    "take(stray); ask()": "stubborn() running at",
    "take(stray); ask(); ask_in_thread()": "stubborn() running at",
    "take(leave_open); ask()": "",
    "take(blocking); ask(); ask_in_thread(); time.sleep(0.3)": "a task blocks it",
    "take(lives(stubborn), 'on'); ask()": "is given up",
    "take(lives(stubborn), 'on'); ask(); ask_in_thread()": "is given up",
    "take(lives(sleep), 'on'); ask()": "did not stop within",
    "take(lives(block), 'on'); ask(); ask_in_thread()": "the event loop is blocked",
}


def end_of(script: str) -> tuple[str, int]:
    """Run a script to its end; return what it has logged, and its exit status."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + STUBBORN + script],
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stderr, done.returncode


@pytest.mark.parametrize("ending", ["", "; os.kill(os.getpid(), signal.SIGTERM)"])
@pytest.mark.parametrize(("script", "logged"), STUBBORN_APPS.items(), ids=STUBBORN_APPS)
def test_what_ignores_its_end_does_not_keep_the_process(
    script: str, logged: str, ending: str
) -> None:
    output, status = end_of(script + ending)
    assert status == (143 if ending else 0), output
    assert logged in output


@pytest.mark.parametrize(
    "goes_on",
    [
        "threading.Thread(target=threading.Event().wait, name='endless').start()",
        "ThreadPoolExecutor(thread_name_prefix='endless').submit(threading.Event().wait)",
        "atexit.register(threading.Event().wait)",
        "at_exit(threading.Event().wait)",
        "log.acquire(); at_exit(threading.Event().wait)",
    ],
)
def test_sigterm_ends_a_process_in_which_something_goes_on(goes_on: str) -> None:
    script = f"""
import atexit, logging
from concurrent.futures import ThreadPoolExecutor
from unigate.loop import at_exit

log = logging.StreamHandler()
logging.getLogger().addHandler(log)
unigate.loop.EXIT_SECONDS = 0.5
ask()
{goes_on}
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""
    output, status = end_of(script)
    assert status == 143, output
    if "log" not in goes_on:
        assert "did not end within 0.5 seconds" in output
        assert "endless" not in goes_on or "endless" in output


def test_a_call_is_answered_after_a_blocked_loop_was_given_up(loop: ProcessLoop) -> None:
    over = threading.Event()
    begun = threading.Event()

    async def block() -> None:
        begun.set()
        over.wait(SECONDS)

    blocked = loop.in_thread()
    thread = next(each for each in threading.enumerate() if each.name == "unigate-loop")
    asyncio.run_coroutine_threadsafe(block(), blocked)
    assert begun.wait(SECONDS)
    try:
        loop.close()
        assert ask(answering(thread_id)) == str(threading.get_ident())
    finally:
        over.set()
        thread.join(SECONDS)
        blocked.close()
