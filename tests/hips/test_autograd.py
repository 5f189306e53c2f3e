"""HIPS autograd 1.9.1's own tests, run on Backpass: its source distribution is fetched, its package replaced.

Tests that nobody here wrote. `FAILS` has every one that does not pass, and why; a test that leaves the list or joins it
fails here, and so does another number of tests that pass.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import backpass

RELEASE = "1.9.1"
PASSED = 593
SHIM = Path(__file__).resolve().parent
CACHE = Path(sys.prefix) / ".fetched"

PRIVATE = "of autograd's own machinery, which no public interface has"
DEPRECATED = "of names that autograd itself has dropped or deprecated"
PYTHON_VALUES = "autograd's np.where keeps Python's types and takes keywords; NumPy's does neither"
OWN_CONVOLVE = "autograd's convolve is not SciPy's: it has axes= and dot_axes="
FAILS = {
    "test_fft.test_rfftn_odd_not_implemented": "it wants a refusal of odd lengths, which are differentiated here",
    "test_graphs.test_assignment_raises_error": "it wants x[i] = v refused, which is differentiated here",
    "test_linalg.test_pinv": "it checks by a private function, numpy.linalg._dot, that autograd makes up",
    "test_misc.test_const_graph": PRIVATE,
    "test_misc.test_const_graph_args": PRIVATE,
    "test_scipy.test_convolve_generalization": OWN_CONVOLVE,
    "test_scipy.test_convolve_ignore": OWN_CONVOLVE,
    "test_scipy.test_convolve_ignore_dot": OWN_CONVOLVE,
    "test_scipy.test_odeint": "scipy.integrate.odeint is compiled code without a rule",
    "test_wrappers.test_deprecated_defgrad_wrapper": DEPRECATED,
    "test_wrappers.test_deprecated_defvjp_wrapper": DEPRECATED,
    "test_wrappers.test_deprecated_defvjp_is_zero_wrapper": DEPRECATED,
    "test_wrappers.test_deprecated_quick_grad_check_wrapper": DEPRECATED,
    "test_wrappers.test_custom_where_dtypes[int-True-1-2]": PYTHON_VALUES,
    "test_wrappers.test_custom_where_dtypes[float-True-3.0-4.0]": PYTHON_VALUES,
    "test_wrappers.test_custom_where_dtypes[float-False-1-2.0]": PYTHON_VALUES,
    "test_wrappers.test_custom_where_dtypes[list-True-x3-y3]": PYTHON_VALUES,
    "test_wrappers.test_custom_where": PYTHON_VALUES,
}
NOT_RUN = {"test_vspaces.py": PRIVATE + " (vspace): nothing of Backpass would be in it"}


def fetched() -> Path:
    """The folder of the source distribution, fetched once an environment."""
    folder = CACHE / f"autograd-{RELEASE}"
    if not folder.exists():
        CACHE.mkdir(exist_ok=True)
        pip = [sys.executable, "-m", "pip"] if shutil.which("pip", path=str(Path(sys.executable).parent)) else ["pip"]
        wanted = [
            f"autograd=={RELEASE}",
            "--no-binary",
            ":all:",
            "--no-deps",
            "-q",
            "-d",
            str(CACHE),
        ]
        try:
            done = subprocess.run([*pip, "download", *wanted], capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"pip cannot be run: {error}")
        archive = CACHE / f"autograd-{RELEASE}.tar.gz"
        if not archive.exists():
            pytest.skip(f"autograd's source distribution could not be fetched: {done.stderr.strip().splitlines()[-1:]}")
        with tarfile.open(archive) as source:
            source.extractall(CACHE, filter="data")
    return folder


@pytest.mark.slow
def test_autograds_own_tests(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    tests = tmp_path / "tests"
    shutil.copytree(fetched() / "tests", tests)
    report = tmp_path / "report.xml"
    paths = [str(SHIM), str(Path(backpass.__file__).resolve().parents[1])]
    run = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-c",
                os.devnull,
                "--rootdir",
                str(tests),
            ),
            *("-W", "ignore", f"--junitxml={report}", *[f"--ignore={tests / name}" for name in NOT_RUN], str(tests)),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=tests,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), run.stdout[-3000:] + run.stderr[-3000:]
    outcomes = {"failed": set(), "passed": set(), "skipped": set()}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname').rpartition('.')[2]}.{case.get('name')}"
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        outcomes[outcome].add(name)
    assert sorted(outcomes["failed"] - set(FAILS)) == [], run.stdout[-5000:]
    assert sorted(set(FAILS) - outcomes["failed"]) == [], "these pass now: take them off the list"
    assert len(outcomes["passed"]) == PASSED
