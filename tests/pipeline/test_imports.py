"""Importing anything of ours starts nothing: no app, no thread, no socket, no loop."""

import subprocess
import sys

CHECK = """
import asyncio, importlib, pkgutil, socket, threading
import faust

def never(*_args, **_more):
    raise AssertionError("an import started something")

socket.socket.connect = socket.socket.bind = never
faust.App.__init__ = never
threading.Thread.start = never
asyncio.new_event_loop = never
import agents, pipeline, schemas
count = 0
for package in (schemas, agents, pipeline):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
            count += 1
assert threading.active_count() == 1
print(count)
"""


def test_importing_every_module_starts_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60
