"""Damaged and hostile files: an answer or a clear error, never a crash, a hang, code, or memory without bound.

100,000 were tried once, and whatever they found is mended; here are a few thousand others, and by hand the ones that
found something.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("mutated.py")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no memory")


def tried(kind, count, seed):
    command = [sys.executable, PROGRAM, kind, str(count), str(seed)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(f"{count} {kind}: ")
    return int(done.stdout.split()[2])


KINDS = ["model-bytes", "model-record", "text", "binary"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_mutated_files(kind):
    tried(kind, 20, 1234)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_some_thousand_mutated_files(kind):
    answers = tried(kind, 1000, 99)
    assert kind == "model-bytes" or answers  # the mutations are not all trivial to refuse
