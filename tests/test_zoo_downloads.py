"""Weight files come whole or not at all, from a server that fails in every way that matters."""

import hashlib
import threading
import zipfile
from io import BytesIO

import pytest
from filelock import FileLock
from huggingface_hub import constants

from attention.models import downloads
from attention.models.downloads import FILES, DownloadError, OnHub, OnServer
from attention.records import StoppedError
from tests import servers
from tests.test_command_line import full_disk

DATA = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(DATA).hexdigest()
NAME = f"net-{SHA256[:8]}.pth"
REPOSITORY = "timm/net.in1k"
KINDS = pytest.mark.parametrize("kind", ["plain", "zip", "hub"])


@pytest.fixture
def server(home):
    with servers.running() as state:
        home(state.address)
        yield state


def zipped(name: str, data: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def published(server, kind, data=DATA):
    """The weights as a library would name them, and the path at which the server has them."""
    if kind == "hub":
        path, weights = f"/{REPOSITORY}/resolve/main/{FILES[0]}", OnHub(REPOSITORY)
        server.files[path] = data
    elif kind == "zip":
        path = "/releases/net.pth.zip"
        weights = OnServer(server.address + path, "pytorchcv", hashlib.sha1(DATA).hexdigest())
        server.files[path] = zipped("net.pth", data)
    else:
        path = f"/models/{NAME}"
        weights = OnServer(server.address + path, "torchvision", SHA256[:8])
        server.files[path] = data
    return weights, path


class Reports(list):
    def __call__(self, done, total):
        self.append((done, total))


def left(home) -> list[str]:
    """What lies there beside locks, and what the hub's client notes of each repository."""
    notes = {"CACHEDIR.TAG", "main"}
    return [
        path.name
        for path in home.folder.rglob("*")
        if (path.is_file() or path.is_symlink()) and path.suffix != ".lock" and path.name not in notes
    ]


def refusal(weights) -> str:
    """The one sentence of a download that fails; it leaves nothing that looks like a weight file."""
    with pytest.raises(DownloadError) as caught:
        weights.fetch(Reports())
    message = str(caught.value)
    assert message.endswith("random weights.") and "\n" not in message and ". " not in message
    assert weights.here() is None
    return message


@KINDS
def test_a_file_comes_whole_once_and_its_progress_is_told(server, kind):
    weights, path = published(server, kind)
    assert weights.here() is None
    reports = Reports()
    file = weights.fetch(reports)
    assert file.read_bytes() == DATA and weights.here() == file
    assert weights.checksum() and {each.suffix for each in file.parent.iterdir()} <= {file.suffix, ".lock"}
    size = len(server.files[path])
    assert reports[0] == (0, size) and reports[-1] == (size, size)
    assert reports == sorted(reports)
    asked = len(server.gets())
    assert weights.fetch(Reports()) == file and len(server.gets()) == asked == 1


@KINDS
def test_a_file_that_is_not_there_is_named_with_the_place_where_it_would_be_found(server, kind, home):
    weights, path = published(server, kind)
    data = server.files.pop(path)
    message = refusal(weights)
    host = server.address.removeprefix("http://")
    assert f"could not be fetched from {host} (it answered 404" in message
    place = home.folder / message.split(" at ")[1].split(" by hand")[0]
    assert place.is_relative_to(home.folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(DATA)
    assert weights.fetch(Reports()) == place and data


@KINDS
def test_without_a_server_the_sentence_says_so_at_once(kind, home):
    with servers.running() as gone:
        home(gone.address)
        weights, _ = published(gone, kind)
    assert "there is no connection" in refusal(weights)


@pytest.mark.parametrize("kind", ["plain", "zip"])
def test_a_cut_download_goes_on_where_it_ended(server, kind):
    weights, path = published(server, kind)
    server.cuts = 1
    assert "it broke off; another try goes on" in refusal(weights)
    half = len(server.files[path]) // 2
    assert [part.stat().st_size for part in weights.path.parent.glob("*.part")] == [half]
    reports = Reports()
    assert weights.fetch(reports).read_bytes() == DATA
    assert server.gets() == [(path, ""), (path, f"bytes={half}-")]
    assert reports[0] == (half, len(server.files[path]))


def test_a_server_that_knows_no_parts_sends_the_whole_file_again(server):
    weights, path = published(server, "plain")
    server.cuts, server.ranges = 1, False
    refusal(weights)
    assert weights.fetch(Reports()).read_bytes() == DATA
    assert server.gets()[1] == (path, f"bytes={len(DATA) // 2}-")


def test_a_beginning_that_is_as_long_as_the_file_is_thrown_away(server):
    weights, _ = published(server, "plain")
    weights.path.parent.mkdir(parents=True)
    weights.path.with_name(f"{NAME}.part").write_bytes(bytes(len(DATA)))
    assert "416" in refusal(weights)
    assert weights.fetch(Reports()).read_bytes() == DATA


def test_without_a_checksum_a_cut_download_starts_anew(server):
    weights = OnServer(f"{server.address}/net.pth", "timm")
    server.files["/net.pth"] = DATA
    server.cuts = 1
    refusal(weights)
    assert weights.fetch(Reports()).read_bytes() == DATA
    assert [asked for _, asked in server.gets()] == ["", ""] and weights.checksum() == ""


def test_the_hub_s_client_takes_a_cut_up_itself(server, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", len(DATA) // 8)
    weights, _ = published(server, "hub")
    server.cuts = 1
    assert weights.fetch(Reports()).read_bytes() == DATA
    assert [asked for _, asked in server.gets()][:2] == ["", f"bytes={len(DATA) // 2}-"]


def test_a_hub_that_cuts_every_answer_leaves_nothing(server, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    weights, _ = published(server, "hub")
    server.cuts = 100
    assert "it broke off" in refusal(weights)
    assert not list(weights._place(FILES[0]).parents[2].rglob("*incomplete*"))


@KINDS
def test_a_file_with_another_checksum_is_thrown_away(server, kind, home):
    weights, path = published(server, kind, data=DATA[::-1])
    server.stated[path] = SHA256
    assert "another checksum" in refusal(weights) and not left(home)
    right, path = published(server, kind)
    assert right.fetch(Reports()).read_bytes() == DATA
    assert server.gets() == [(path, "")] * 2


@KINDS
def test_a_server_that_falls_silent_is_given_up(server, kind, monkeypatch):
    monkeypatch.setattr(downloads, "PATIENCE", 0.2)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    weights, _ = published(server, kind)
    server.silent = True
    assert "it fell silent" in refusal(weights)


@KINDS
def test_a_download_whose_time_is_over_says_so_and_leaves_nothing(server, kind, home, monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_DOWNLOAD_SECONDS", "0")
    weights, _ = published(server, kind)
    assert "(it took longer than the 0 seconds that are allowed)" in refusal(weights) and not left(home)


@KINDS
@pytest.mark.parametrize("after", [0, 1])
def test_a_download_that_is_stopped_leaves_nothing_and_may_start_anew(server, kind, home, after, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", len(DATA) // 8)

    def stop(done, total):
        if done >= after:
            raise StoppedError("stopped")

    weights, _ = published(server, kind)
    with pytest.raises(StoppedError):
        weights.fetch(stop)
    assert weights.here() is None and not left(home)
    assert weights.fetch(Reports()).read_bytes() == DATA


@KINDS
def test_who_waits_for_another_s_download_can_stop_and_has_an_end(server, kind, monkeypatch):
    monkeypatch.setattr(downloads, "POLL", 0.01)
    weights, _ = published(server, kind)

    def stop(done, total):
        raise StoppedError("stopped")

    with FileLock(f"{weights.ours if kind == 'hub' else weights.path}.lock"):
        with pytest.raises(StoppedError):
            weights.fetch(stop)
        monkeypatch.setenv("GATESCOPE_MAX_DOWNLOAD_SECONDS", "0")
        assert "it took longer" in refusal(weights)
    assert not server.asked


@pytest.mark.parametrize("sent", [DATA, zipped("other.pth", DATA)], ids=["no zip file", "another file inside"])
def test_what_is_not_the_zip_file_is_thrown_away(server, sent):
    weights, path = published(server, "zip")
    server.files[path] = sent
    assert "not a zip file with this file in it" in refusal(weights)
    assert not list(weights.path.parent.glob("*.part"))


@KINDS
def test_a_damaged_file_of_a_person_s_is_named_and_kept(server, kind):
    weights, _ = published(server, kind)
    file = weights.fetch(Reports())
    file.write_bytes(DATA[:1000])
    with pytest.raises(DownloadError, match=r"is damaged.*; delete .*, and it is fetched anew") as caught:
        weights.fetch(Reports())
    assert str(file) in str(caught.value) and file.read_bytes() == DATA[:1000]


@pytest.mark.parametrize(("kind", "folder"), [("plain", "torch"), ("hub", "hub")])
def test_a_folder_that_cannot_be_written_is_named(server, home, kind, folder):
    weights, _ = published(server, kind)
    home.folder.joinpath(folder).write_text("a file where the folder should be")
    assert "the file cannot be written: Not a directory" in refusal(weights)


@KINDS
def test_a_disk_that_is_full_is_named_and_nothing_half_is_left(server, kind, home):
    weights, _ = published(server, kind)
    with full_disk(len(DATA) // 2):
        assert "the file cannot be written: File too large" in refusal(weights)
    assert not left(home)
    assert weights.fetch(Reports()).read_bytes() == DATA


def test_two_visitors_cause_one_download(server):
    weights, _ = published(server, "plain")
    visitors = [threading.Thread(target=weights.fetch, args=(Reports(),)) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert weights.path.read_bytes() == DATA and len(server.gets()) == 1


def test_the_hub_s_older_files_are_found_where_there_is_no_new_one(server):
    weights, path = published(server, "hub")
    server.files[path.replace(*FILES)] = server.files.pop(path)
    assert weights.fetch(Reports()).name == FILES[1]


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME", "HOME"])
def test_the_folder_is_torch_s_own(variable, monkeypatch, tmp_path):
    from torch import hub

    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert str(downloads.torch_folder()) == f"{hub.get_dir()}/checkpoints"
