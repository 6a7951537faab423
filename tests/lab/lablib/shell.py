"""Talking and running: every other file of the lab says things and starts programs through this one."""
import os
import subprocess
import sys
import threading
import time

_voice = threading.Lock()
_began = time.monotonic()


class Fail(Exception):
    """Something the user can act on: what is wrong, and the remedy."""

    def __init__(self, what, remedy=None):
        super().__init__(what)
        self.remedy = remedy


def say(text):
    """One progress line on stderr, with the seconds since the command began; stdout is for data."""
    with _voice:
        print(f"{time.monotonic() - _began:6.1f}s  {text}", file=sys.stderr, flush=True)


def run(words, stdin=None, env=None, cwd=None, quiet=False):
    """Run a program to its end and return its stdout; when it fails, say which one and show the end of what it said."""
    words = [str(w) for w in words]
    stdin = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(words, input=stdin, env={**os.environ, **(env or {})}, cwd=cwd, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    except FileNotFoundError:
        raise Fail(f"the program {words[0]} is not on this machine", "tests/lab/lab install")
    if done.returncode != 0:
        said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()[-15:]
        raise Fail(f"`{' '.join(words)[:200]}` ended with {done.returncode}" + "".join(f"\n    {line}" for line in said))
    return done.stdout.decode(errors="replace").strip()


def works(words):
    """Whether a program ends with 0; what it says is of no interest."""
    try:
        return subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


def run_logged(words, log, env=None, cwd=None):
    """Run a long program with its output in a file; when it fails, show the end of that file and where it lies."""
    with open(log, "wb") as to:
        ended = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=to, stderr=subprocess.STDOUT,
                               env={**os.environ, **(env or {})}, cwd=cwd).returncode
    if ended != 0:
        with open(log, errors="replace") as said:
            tail = said.read().strip().splitlines()[-20:]
        raise Fail(f"`{' '.join(map(str, words))[:200]}` ended with {ended}, its output is in {log}" + "".join(f"\n    {l}" for l in tail))


def wait_until(what, seconds, look, pause=0.3):
    """Look again until it is true; a wait has an end and tells the last thing seen."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen is True:
            return
        if time.monotonic() > end:
            raise Fail(f"{what} did not happen within {seconds} s" + (f"; last seen: {seen}" if seen else ""))
        time.sleep(pause)


def together(work):
    """Run the functions at the same time and raise the first failure after all have ended."""
    failed = []

    def one(function):
        try:
            function()
        except Exception as error:
            failed.append(error)
    threads = [threading.Thread(target=one, args=(f,)) for f in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def process_is(pid, mark):
    """Whether the process with this id lives and is ours: its command line holds the mark."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return mark.encode() in line.read()
    except (FileNotFoundError, ProcessLookupError):
        return False


def end_process(pidfile, mark, seconds=30):
    """End the process whose id a file names, if it still is the one that wrote it; then remove the file."""
    try:
        pid = int(open(pidfile).read().strip() or 0)
    except (FileNotFoundError, ValueError):
        return
    if pid and process_is(pid, mark):
        os.kill(pid, 15)
        end = time.monotonic() + seconds
        while process_is(pid, mark):
            if time.monotonic() > end:
                os.kill(pid, 9)
            time.sleep(0.1)
    if os.path.exists(pidfile):
        os.unlink(pidfile)
