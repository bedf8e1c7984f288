"""CPU time and memory of processes that spend and hold a known amount."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lab import cost

BURN = """
import time
def burn(seconds):
    end = time.{clock}() + seconds
    while time.{clock}() < end: pass
"""
THREAD = """
import threading
one = threading.Thread(target=burn, args=(0.2,))
one.start()
one.join()
"""
CHILD = """
import subprocess, sys
subprocess.run([sys.executable, "-c", burning])
"""


@contextmanager
def child(setup: str = "") -> Iterator[subprocess.Popen[str]]:
    """A Python that runs what it is told, line by line, and says when it has done so."""
    loop = "import sys\nfor line in sys.stdin:\n    exec(eval(line))\n    print('done', flush=True)\n"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", setup + loop], stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.kill()


def do(process: subprocess.Popen[str], what: str) -> None:
    assert process.stdin
    assert process.stdout
    process.stdin.write(repr(what) + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


@pytest.mark.calm
@pytest.mark.parametrize("how", ["burn(0.2)", THREAD], ids=["itself", "a thread that has ended"])
def test_cpu_time_is_what_was_burnt(how: str) -> None:
    with child(BURN.format(clock="process_time")) as process:
        do(process, "pass")
        before = cost.cpu_ns(process.pid)
        do(process, how)
        took = cost.spent(before, cost.cpu_ns(process.pid))
        assert list(took) == [process.pid]
        assert took[process.pid] == pytest.approx(0.2e9, rel=0.1)


@pytest.mark.calm
def test_cpu_time_is_split_by_process_and_that_of_the_ended_stays() -> None:
    setup = BURN.format(clock="process_time")
    burning = setup + "burn(0.2)\nprint(flush=True)\ninput()\nburn(0.1)"
    with child(setup) as process:
        do(process, f"import subprocess; burning = {burning!r}")
        before = cost.cpu_ns(process.pid)
        pipes = "stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True"
        do(process, f"one = subprocess.Popen([sys.executable, '-c', burning], {pipes}); one.stdout.readline()")
        running = cost.cpu_ns(process.pid)
        (one,) = running.keys() - before.keys()
        assert cost.spent(before, running)[one] == pytest.approx(0.2e9, abs=0.05e9)  # and Python's own start
        do(process, "one.communicate('go')")
        ended = cost.cpu_ns(process.pid)
        assert one not in ended
        # The tick is of 10 ms, once for user and once for system time.
        assert sum(cost.spent(running, ended).values()) == pytest.approx(0.1e9, abs=0.04e9)
        assert sum(cost.spent(before, ended).values()) == pytest.approx(0.3e9, abs=0.07e9)


def test_memory_is_what_was_allocated() -> None:
    with child() as process:
        do(process, "pass")
        before = cost.memory_kib([process.pid])
        do(process, "held = b'x' * (50 << 20)")
        after = cost.memory_kib([process.pid])
        assert after.kind == before.kind
        assert after.kib - before.kib == pytest.approx(50 << 10, rel=0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="no smaps")
def test_memory_of_one_is_not_moved_by_what_another_does(tmp_path: Path) -> None:
    """A file that two have loaded is no longer one's alone, as with the code of a program that is started twice."""
    code = tmp_path / "code"
    code.write_bytes(bytes(4 << 20))
    load = f"import mmap; file = open({str(code)!r}); held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)"
    load += "; sum(held[::4096])"
    with child() as process:
        do(process, load)
        alone, uss_alone = cost.memory_kib([process.pid]), psutil.Process(process.pid).memory_full_info().uss
        with child() as other:
            do(other, load)
            beside, uss_beside = cost.memory_kib([process.pid]), psutil.Process(process.pid).memory_full_info().uss
    assert uss_alone - uss_beside == pytest.approx(4 << 20, rel=0.2)
    assert beside.kind == "anonymous"
    assert beside.kib == pytest.approx(alone.kib, abs=16)


def test_a_family_has_children() -> None:
    with child() as process:
        assert process.pid in cost.family(os.getpid())


def test_a_process_that_is_gone_has_neither() -> None:
    with child() as process:
        pass
    with pytest.raises(psutil.NoSuchProcess):
        cost.cpu_ns(process.pid)
    with pytest.raises(psutil.NoSuchProcess):
        cost.memory_kib([process.pid])


# Elsewhere


def test_without_a_clock_of_processes_it_is_psutils(monkeypatch: pytest.MonkeyPatch) -> None:
    precise = cost.process_cpu_ns(os.getpid())
    monkeypatch.setattr(cost, "_library", lambda: None)
    assert cost.process_cpu_ns(os.getpid()) == pytest.approx(precise, abs=0.05e9)
    assert "tick" in cost.cpu_clock()


@pytest.fixture
def without_rollups(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise FileNotFoundError("/proc")

    monkeypatch.setattr(cost, "_anonymous_kib", refuse)


@pytest.mark.usefixtures("without_rollups")
def test_without_a_count_of_what_was_written_it_is_uss() -> None:
    memory = cost.memory_kib([os.getpid()])
    assert memory.kind == "USS"
    assert memory.kib == pytest.approx(psutil.Process().memory_full_info().uss / 1024, rel=0.02)


@pytest.mark.usefixtures("without_rollups")
@pytest.mark.parametrize("failure", [psutil.AccessDenied, AttributeError])
def test_without_uss_it_is_rss_and_says_so(monkeypatch: pytest.MonkeyPatch, failure: type[Exception]) -> None:
    def refuse(_: psutil.Process) -> SimpleNamespace:
        raise failure

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    memory = cost.memory_kib([os.getpid()])
    assert memory.kind == "RSS"
    assert memory.kib == pytest.approx(psutil.Process().memory_info().rss / 1024, rel=0.02)
