"""A file that was made is there when its browser comes for it, however many other pages have run meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from attention.ui import downloads

VISITORS = 30


@pytest.fixture
def media(monkeypatch):
    """The files of a server, and where they lie."""
    storage = MemoryMediaFileStorage("/media")
    manager = MediaFileManager(storage)
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(media_file_mgr=manager))
    return manager, storage


def button(manager, name, make):
    """What streamlit makes of a button whose file is made when it is pressed: its placeholder."""
    return manager.add_deferred(make, "text/html", name, f"{name}.html")


def fetched(storage, url):
    return storage.get_file(url.removeprefix("/media/")).content


def test_thirty_visitors_get_their_reports_while_pages_of_the_others_run(media):
    manager, storage = media

    def visit(number):
        text = f"report {number}" * 1000
        press = button(manager, str(number), lambda: downloads._hold(text, f"{number}.html", "text/html"))
        url = manager.execute_deferred(press)
        for _ in range(3):
            manager.remove_orphaned_files()  # as at the end of each run of a page
        return fetched(storage, url) == text.encode()

    with ThreadPoolExecutor(VISITORS) as visitors:
        assert all(visitors.map(visit, range(VISITORS)))


def test_without_being_held_a_report_is_gone_after_two_other_runs(media):
    manager, storage = media
    url = manager.execute_deferred(button(manager, "a", lambda: b"report"))
    manager.remove_orphaned_files()
    manager.remove_orphaned_files()
    with pytest.raises(MediaFileStorageError):
        fetched(storage, url)


def test_it_is_let_go_when_its_time_is_over(media, monkeypatch):
    manager, storage = media
    monkeypatch.setattr(downloads, "HELD", 0.05)
    url = manager.execute_deferred(button(manager, "a", lambda: downloads._hold(b"report", "a.html", "text/html")))
    assert fetched(storage, url) == b"report"
    end = time.monotonic() + 30
    while "a.html" in [file.filename for file in storage._files_by_id.values()] and time.monotonic() < end:
        time.sleep(0.05)
        manager.remove_orphaned_files()
    with pytest.raises(MediaFileStorageError):
        fetched(storage, url)
