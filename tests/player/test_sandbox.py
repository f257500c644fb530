"""A replay can't get out: seventy ways are tried, each is refused and told: the tape is `diverged`. What stays inside works."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autoplayback.equalizer.verdict import Verdict
from autoplayback.player import kernel, landlock
from tests.player.service import CONFIG, Service

CODE = """
import ctypes, os
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "escaped")
libc = ctypes.CDLL(None, use_errno=True)
SECRET = "/etc/shadow" if os.path.exists("/etc/shadow") else "/etc/fstab"
LINK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "link")

def load(key): return key
def send(value): return None

def operation(way):
    if os.environ.get("AUTOPLAYBACK") == "record":
        return "done"
    try:
        WAYS[way]()
    except Exception:   # a service that hides its errors mustn't hide this one
        pass
    return "done"

def _threaded(call):
    import threading
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()

def _connect(family, address, kind=None):
    import socket
    with socket.socket(family, kind or socket.SOCK_STREAM) as s:
        s.settimeout(1)
        s.connect(address)

def _asyncio():
    import asyncio
    async def go():
        await asyncio.open_connection("127.0.0.1", 9)
    asyncio.run(go())

def _subprocess_async():
    import asyncio
    async def go():
        await asyncio.create_subprocess_exec("true")
    asyncio.run(go())

def _sqlite():
    import sqlite3
    sqlite3.connect(OUT).execute("create table t (x)")

def _c_connect():
    s = libc.socket(2, 1, 0)
    libc.connect(s, ctypes.create_string_buffer(bytes([2, 0, 0, 80, 127, 0, 0, 1] + [0] * 8), 16), 16)

def _c_unix():
    s = libc.socket(1, 1, 0)
    address = b"\\x01\\x00/tmp/some.socket\\x00"
    libc.connect(s, ctypes.create_string_buffer(address), len(address))

def _c_datagram():
    s = libc.socket(2, 2, 0)
    libc.sendto(s, b"x", 1, 0, ctypes.create_string_buffer(bytes([2, 0, 0, 53, 127, 0, 0, 1] + [0] * 8), 16), 16)

def _c_open():
    fd = libc.open(OUT.encode(), os.O_WRONLY | os.O_CREAT, 0o600)
    if fd >= 0:
        libc.write(fd, b"out", 3)

def _c_fopen():
    libc.fopen.restype = ctypes.c_void_p
    libc.fopen(OUT.encode(), b"w")

def _c_read(path, flags=0):
    fd = libc.open(path.encode(), flags)
    if fd >= 0:
        libc.read(fd, ctypes.create_string_buffer(16), 16)

def _c_descriptor():
    fd = libc.open(SECRET.encode(), 0x200000)   # O_PATH: no content, but a way to it
    _c_read("/proc/self/fd/%d" % fd)

def _posixsubprocess():
    import multiprocessing.util
    multiprocessing.util.spawnv_passfds(b"/bin/true", [b"true"], [])

def _process():
    import multiprocessing
    process = multiprocessing.get_context("fork").Process(target=print)
    process.start()
    process.join()

def _syslog():
    import syslog
    syslog.syslog("out")

WAYS = {
    "tcp": lambda: _connect(2, ("127.0.0.1", 9)),
    "tcp by name": lambda: __import__("socket").create_connection(("localhost", 9), 1),
    "udp": lambda: _connect(2, ("127.0.0.1", 9), 2),
    "unix socket": lambda: _connect(1, "/tmp/some.socket"),
    "abstract socket": lambda: _connect(1, "\\0some"),
    "listening": lambda: __import__("socket").create_server(("127.0.0.1", 0)),
    "name look-up": lambda: __import__("socket").getaddrinfo("example.com", 80),
    "old name look-up": lambda: __import__("socket").gethostbyname("localhost"),
    "urllib": lambda: __import__("urllib.request").request.urlopen("http://127.0.0.1:9/", timeout=1),
    "asyncio": _asyncio,
    "in a thread": lambda: _threaded(lambda: _connect(2, ("127.0.0.1", 9))),
    "subprocess": lambda: __import__("subprocess").run(["true"]),
    "shell": lambda: os.system("true"),
    "popen": lambda: os.popen("true").read(),
    "asyncio subprocess": _subprocess_async,
    "fork": lambda: os.fork() or os._exit(0),
    "posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "multiprocessing": _process,
    "kill": lambda: os.kill(os.getppid(), 0),
    "write": lambda: open(OUT, "w").write("out"),
    "append": lambda: open(__file__, "a").close(),
    "os.open": lambda: os.open(OUT, os.O_CREAT | os.O_WRONLY),
    "mkdir": lambda: os.mkdir(OUT),
    "rename": lambda: os.rename(__file__, OUT),
    "remove": lambda: os.remove(__file__),
    "chmod": lambda: os.chmod(__file__, 0o777),
    "symlink": lambda: os.symlink("/etc", OUT),
    "sqlite": _sqlite,
    "read": lambda: open(SECRET).read(),
    "read through a link": lambda: open(LINK).read(),
    "another process": lambda: open("/proc/1/status").read(),
    "list a folder": lambda: os.listdir("/root" if os.access("/root", os.R_OK) else "/home"),
    "syslog": _syslog,
}
NATIVE = {
    "C connect": _c_connect,
    "C unix connect": _c_unix,
    "C datagram": _c_datagram,
    "C system": lambda: libc.system(b"true"),
    "C fork": lambda: libc.fork() or os._exit(0),
    "C execve": lambda: libc.execv(b"/bin/true", (ctypes.c_char_p * 2)(b"true", None)),
    "C kill": lambda: libc.kill(os.getppid(), 0),
    "C open": _c_open,
    "C fopen": _c_fopen,
    "C chmod": lambda: libc.chmod(__file__.encode(), 0o777),
    "C read": lambda: _c_read(SECRET),
    "C read, closed on exec": lambda: _c_read(SECRET, os.O_CLOEXEC),
    "C read in a thread": lambda: _threaded(lambda: _c_read(SECRET)),
    "C read by a relative path": lambda: _c_read("../../../../../../../.." + SECRET),
    "C read through a link": lambda: _c_read(LINK),
    "C read through a descriptor": _c_descriptor,
    "C read of another process": lambda: _c_read("/proc/1/status"),
    "C list a folder": lambda: libc.opendir(b"/home"),
    "C fopen to read": lambda: libc.fopen(SECRET.encode(), b"r"),
    "C unlink": lambda: libc.unlink(__file__.encode()),
    "C rename": lambda: libc.rename(__file__.encode(), OUT.encode()),
    "C rename into": lambda: libc.rename(OUT.encode(), __file__.encode()),
    "C mkdir": lambda: libc.mkdir(OUT.encode(), 0o700),
    "C rmdir": lambda: libc.rmdir(os.path.dirname(__file__).encode()),
    "C link": lambda: libc.link(__file__.encode(), OUT.encode()),
    "C symlink": lambda: libc.symlink(b"/etc", OUT.encode()),
    "C truncate": lambda: libc.truncate(__file__.encode(), 0),
    "C removexattr": lambda: libc.removexattr(__file__.encode(), b"user.x"),
    "C ptrace": lambda: libc.ptrace(16, os.getppid(), 0, 0),
    "C mount": lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, None),
    "C unshare": lambda: libc.unshare(0x20000),
    "C packet socket": lambda: libc.socket(17, 3, 0),
    "C datagram pair": lambda: libc.socketpair(1, 2, 0, (ctypes.c_int * 2)()),
    "fork_exec without an audit event": _posixsubprocess,
}
WAYS.update(NATIVE)
"""

INSIDE = """
import asyncio, os, shutil, tempfile, threading
from concurrent.futures import ThreadPoolExecutor

def load(key): return key
def send(value): return None

async def _gather():
    loop = asyncio.get_running_loop()
    return await asyncio.gather(asyncio.sleep(0.001, 1), asyncio.to_thread(lambda: 2), loop.run_in_executor(None, lambda: 3))

def operation(n):
    import json.tool, xml.dom.minidom, mimetypes, zoneinfo   # imported late, from where they are installed
    with ThreadPoolExecutor(3) as pool:
        squares = list(pool.map(lambda x: x * x, range(5)))
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "x"), "w") as file:
            file.write("inside")
        os.mkdir(os.path.join(folder, "sub"))
        os.chmod(os.path.join(folder, "x"), 0o600)
        os.rename(os.path.join(folder, "x"), os.path.join(folder, "sub", "y"))
        with open(os.path.join(folder, "sub", "y")) as file:
            text = file.read()
    with tempfile.NamedTemporaryFile() as file, open(os.devnull, "w") as nothing:
        file.write(b"x")
        print("nothing", file=nothing)
    data = open(os.path.join(os.path.dirname(__file__), "data.txt")).read()
    import multiprocessing
    with multiprocessing.Lock():
        pass
    os.kill(os.getpid(), 0)
    found = asyncio.run(_gather())
    return [found, squares, text, data, str(zoneinfo.ZoneInfo("Europe/Berlin")), mimetypes.guess_type("x.json")[0]]
"""

WAYS = [
    line.split('"')[1] for line in CODE.partition("WAYS = {")[2].partition("NATIVE")[0].splitlines() if line.startswith('    "')
]
NATIVE = [line.split('"')[1] for line in CODE.partition("NATIVE = {")[2].splitlines() if line.startswith('    "')]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Every way out, tried once each in one run."""
    folder = tmp_path_factory.mktemp("escape") / "service"
    folder.mkdir()
    service = Service(folder, CODE)
    (folder / "link").symlink_to("/etc/fstab" if not os.path.exists("/etc/shadow") else "/etc/shadow")
    tapes = service.record(f"import svc\nfor way in {WAYS + NATIVE!r}: svc.operation(way)")
    before = (folder / "svc.py").stat()
    results = service.replay(tapes)
    after = (folder / "svc.py").stat()
    assert (before.st_mode, before.st_size) == (after.st_mode, after.st_size)
    assert not (folder.parent / "escaped").exists()
    return dict(zip(WAYS + NATIVE, results, strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_no_way_out_of_python(verdicts: dict[str, object], way: str) -> None:
    """Whatever Python does outside is refused at the line that tried, though the service swallows the error."""
    result = verdicts[way]
    assert result.verdict is Verdict.DIVERGED, result
    assert result.misses[0].kind == "undeclared"
    assert result.misses[0].site.startswith("svc.py:"), result.misses[0]
    assert result.misses[0].advice


@pytest.mark.skipif(not kernel.SUPPORTED, reason="no boundary below Python is offered on this system")
@pytest.mark.parametrize("way", NATIVE)
def test_no_way_out_below_python(verdicts: dict[str, object], way: str) -> None:
    """Native code meets the kernel's boundary, and the refusal is told though its caller looked away."""
    result = verdicts[way]
    if "seccomp" not in result.boundary:
        pytest.skip("this kernel has no seccomp notifications")
    assert result.verdict is Verdict.DIVERGED, result
    assert result.misses[0].kind == "undeclared"


@pytest.mark.skipif(not kernel.SUPPORTED, reason="no boundary below Python is offered on this system")
def test_no_way_out_of_a_process_of_its_own(tmp_path: Path) -> None:
    """Where each tape has a process of its own, that process may do no more than a forked one."""
    ways = ["C fork", "C kill", "C read", "C connect", "fork_exec without an audit event"]
    service = Service(tmp_path, CODE)
    tapes = service.record(f"import svc\nfor way in {ways!r}: svc.operation(way)")
    for way, result in zip(ways, service.replay(tapes, isolation="spawn"), strict=True):
        assert result.verdict is Verdict.DIVERGED, (way, result)


@pytest.mark.skipif(sys.platform != "linux" or landlock.abi() < 1, reason="needs Landlock")
def test_the_boundary_is_named(verdicts: dict[str, object]) -> None:
    """The result says what kept the replay in."""
    assert {"landlock", "seccomp", "audit hook"} <= set(verdicts["tcp"].boundary)


@pytest.mark.skipif(not kernel.SUPPORTED, reason="no boundary below Python is offered on this system")
def test_a_call_that_is_let_through_reads_what_it_needs_and_no_other_does(tmp_path: Path) -> None:
    """`on_missing: call` opens the files it reads, natively too; the rest of the operation stays closed."""
    code = """
        import ctypes
        libc = ctypes.CDLL(None)
        def load(key, more=False):
            assert libc.open(b"/etc/hostname", 0) >= 0
            return len(open("/etc/hostname").read()) and key
        def send(value): return None
        def operation(n):
            found = load(n), load(n, more=MORE)
            OTHERWISE
            return found
        """.replace("OTHERWISE", "pass")
    service = Service(tmp_path, code.replace("MORE", "False"), CONFIG.replace('"svc:load"', '"svc:load", on_missing: call'))
    service.record("import svc; svc.operation(1)")
    service.code(code.replace("MORE", "True"))
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result
    service.code(code.replace("MORE", "True").replace("            pass", "            libc.open(b'/etc/hostname', 0)"))
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED, result
    assert "/etc/hostname" in result.reason


def test_what_stays_inside_works(tmp_path: Path) -> None:
    """Threads, event loops, temporary files, late imports and package data are no business of the sandbox's."""
    service = Service(tmp_path, INSIDE)
    (tmp_path / "data.txt").write_text("packaged")
    tapes = service.record("import svc; svc.operation(1)")
    [result] = service.replay(tapes)
    assert result.verdict is Verdict.EQUAL, result
