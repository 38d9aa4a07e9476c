"""The build backend: setuptools, and with FILTERD_COMPILED=1 the query path compiled by mypyc.

    FILTERD_COMPILED=1 pip wheel --no-deps -w dist .

makes a wheel for this kind of machine and Python; the machine that installs it needs no compiler. The sources are the
same and ship beside the compiled modules. Without the variable everything is plain Python. Needs a C compiler and
Python's headers (Debian: gcc python3-dev). What it is worth: docs/decisions/0015.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import setuptools
from setuptools.build_meta import *  # noqa: F403  a backend's hooks are its module's functions
from setuptools.build_meta import _BuildMetaBackend

# Everything a query passes through but `dns/batch.py`: mypyc cannot compile ctypes structures.
MODULES = (
    "filterd/core/wire.py", "filterd/core/wirenames.py", "filterd/core/links.py", "filterd/core/private.py",
    "filterd/core/svcparams.py", "filterd/core/svcb.py", "filterd/core/networks.py",
    "filterd/core/names.py", "filterd/core/special.py", "filterd/core/table.py",
    "filterd/core/matrix.py", "filterd/core/snapshot.py", "filterd/core/decide.py", "filterd/core/cache.py",
    "filterd/core/replies.py", "filterd/core/replier.py", "filterd/core/exchange.py", "filterd/core/upstreams.py",
    "filterd/core/asker.py", "filterd/core/forwarder.py", "filterd/core/case.py", "filterd/core/noise.py",
    "filterd/core/budget.py", "filterd/core/failures.py", "filterd/core/loops.py", "filterd/core/upstream_probe.py",
    "filterd/dns/hot.py", "filterd/dns/desk.py", "filterd/dns/buckets.py", "filterd/dns/clients.py",
    "filterd/dns/udp.py", "filterd/core/slip.py",
    "filterd/dns/upstream/places.py", "filterd/dns/upstream/udp.py", "filterd/dns/upstream/carriers.py",
    "filterd/dns/upstream/framing.py", "filterd/dns/upstream/heads.py", "filterd/dns/upstream/http2.py",
    "filterd/dns/upstream/stream.py", "filterd/dns/upstream/connection.py", "filterd/dns/upstream/connections.py",
)  # fmt: skip


def wanted() -> bool:
    return os.environ.get("FILTERD_COMPILED") == "1"


class _Backend(_BuildMetaBackend):
    """As setuptools documents: a backend that gives `setup()` what setup.cfg cannot say."""

    compiling = False  # the other hooks run before mypyc is there

    def run_setup(self, setup_script: str = "setup.py") -> None:
        if not self.compiling:
            super().run_setup(setup_script)
            return
        from mypyc.build import mypycify

        sys.argv[0] = setup_script
        setuptools.setup(ext_modules=mypycify(list(MODULES), opt_level="2"))

    def get_requires_for_build_wheel(self, config_settings: Any = None) -> list[str]:
        needed: list[str] = super().get_requires_for_build_wheel(config_settings)
        return [*needed, "mypy>=1.11", "types-PyYAML"] if wanted() else needed

    def build_wheel(self, *arguments: Any, **options: Any) -> str:
        self.compiling = wanted()
        name: str = super().build_wheel(*arguments, **options)
        return name


_backend = _Backend()
build_wheel = _backend.build_wheel
get_requires_for_build_wheel = _backend.get_requires_for_build_wheel
