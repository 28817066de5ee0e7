"""Two processes behind nginx, as docs/two-processes.conf has it."""

import asyncio
import os
import shutil
import socket

import httpx2
import pytest

from benchmarks import visitors


@pytest.fixture
def port():
    """The first of three that nothing listens on."""
    if shutil.which("nginx") is None:
        assert os.environ.get("CI") != "true", "CI has to run this, and there is no nginx"
        pytest.skip("there is no nginx on this machine")
    for first in range(8700, 8800, 3):
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            try:
                for place, probe in enumerate((one, two, three)):
                    probe.bind(("127.0.0.1", first + place))
            except OSError:
                continue
        return first
    raise AssertionError("no three ports are free")


def test_each_visitor_stays_with_one_of_both(port):
    with visitors.two_servers(port) as (address, pids):
        assert len(set(pids)) == 2
        crowd = asyncio.run(visitors.crowd(address, 4))
        assert [visitor.errors for visitor in crowd] == [[]] * 4
        assert all({"own picture", "excitation"} <= visitor.seconds.keys() for visitor in crowd)

        drawn = {httpx2.get(f"{address}/", trust_env=False).cookies["gatescope_process"] for _ in range(40)}
        assert drawn == {"first", "second"}
        for name in drawn:
            with httpx2.Client(base_url=address, cookies={"gatescope_process": name}, trust_env=False) as browser:
                assert {browser.get("/").cookies["gatescope_process"] for _ in range(8)} == {name}

        assert httpx2.get(f"{address}/", headers={"Host": "elsewhere.example"}, trust_env=False).status_code == 421
