"""Downloads: cut connections, changed archives, wrong checksums, malicious archives."""

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from data_scripts._common import Archive
from data_scripts._download import CHUNK, fetch, unpack
from speakergmm.errors import CorpusError

pytestmark = pytest.mark.slow  # a server takes half a second to stop

CONTENT = np.random.default_rng(0).bytes(10 * CHUNK - 77)
FOUR, SEVEN = 4 * CHUNK, 7 * CHUNK
QUICK = {"pause": 0.0, "timeout": 5.0}


class Server:
    """An HTTP server on this machine that can cut connections and forget about ranges."""

    def __init__(self):
        self.content = CONTENT
        self.tag = '"one"'
        self.cuts = []  # bytes after which each of the next answers breaks off
        self.ranges = True
        self.status = None
        self.requests = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # By default, it looks every half second whether it should end.
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/corpus.tar.gz"

    def answer(self, request):
        asked = request.headers.get("Range")
        self.requests.append(asked)
        if self.status is not None:
            request.send_error(self.status)
            return
        start = 0
        same = request.headers.get("If-Range") in (None, self.tag)
        if asked and self.ranges and same:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(self.content)}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            last = len(self.content) - 1
            request.send_header("Content-Range", f"bytes {start}-{last}/{len(self.content)}")
        else:
            request.send_response(200)
        body = self.content[start:]
        request.send_header("Content-Length", str(len(body)))
        if self.tag:
            request.send_header("ETag", self.tag)
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


def archive(server, *, content=CONTENT, checksum=True):
    digest = hashlib.md5(content).hexdigest()
    return Archive("corpus", server.url, f"md5:{digest}" if checksum else None)


def test_an_archive_is_fetched_once(server, tmp_path):
    got = fetch(archive(server), tmp_path, **QUICK)
    assert got.read_bytes() == CONTENT
    assert fetch(archive(server), tmp_path, **QUICK) == got
    assert server.requests == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.tar.gz"]


def test_a_cut_connection_is_gone_on_with_in_the_same_run(server, tmp_path):
    server.cuts = [FOUR + 5, 3 * CHUNK]
    assert fetch(archive(server), tmp_path, **QUICK).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={FOUR}-", f"bytes={SEVEN}-"]


def test_a_broken_download_goes_on_in_the_next_run(server, tmp_path):
    server.cuts = [FOUR]
    with pytest.raises(CorpusError, match=f"{FOUR} bytes are kept, run the command again"):
        fetch(archive(server), tmp_path, attempts=1, **QUICK)
    assert not (tmp_path / "corpus.tar.gz").exists()
    assert (tmp_path / "corpus.tar.gz.part").stat().st_size == FOUR
    assert fetch(archive(server), tmp_path, **QUICK).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={FOUR}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.tar.gz"]


def test_pieces_of_two_versions_are_never_joined(server, tmp_path):
    server.cuts = [FOUR]
    with pytest.raises(CorpusError):
        fetch(archive(server), tmp_path, attempts=1, **QUICK)
    server.content = np.random.default_rng(1).bytes(200_000)
    server.tag = '"two"'
    got = fetch(archive(server, checksum=False), tmp_path, **QUICK)
    assert got.read_bytes() == server.content


def test_without_a_version_a_download_starts_again(server, tmp_path):
    server.tag = ""
    server.cuts = [FOUR]
    assert fetch(archive(server), tmp_path, **QUICK).read_bytes() == CONTENT
    assert server.requests == [None, None]


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.ranges = False
    server.cuts = [FOUR]
    assert fetch(archive(server), tmp_path, **QUICK).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={FOUR}-"]


def test_a_part_that_is_all_is_recognised(server, tmp_path):
    (tmp_path / "corpus.tar.gz.part").write_bytes(CONTENT)
    (tmp_path / "corpus.tar.gz.part.version").write_text(server.tag)
    assert fetch(archive(server), tmp_path, **QUICK).read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_a_part_that_is_longer_than_the_archive_is_thrown_away(server, tmp_path):
    (tmp_path / "corpus.tar.gz.part").write_bytes(CONTENT + b"more")
    (tmp_path / "corpus.tar.gz.part.version").write_text(server.tag)
    assert fetch(archive(server), tmp_path, **QUICK).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_the_file_removed(server, tmp_path):
    wrong = archive(server, content=b"something else")
    with pytest.raises(CorpusError, match=r"its checksum is not md5:.*it was removed") as caught:
        fetch(wrong, tmp_path, **QUICK)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changed_on_disk_is_fetched_again(server, tmp_path):
    (tmp_path / "corpus.tar.gz").write_bytes(b"half")
    assert fetch(archive(server), tmp_path, **QUICK).read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (403, 1), (503, 3)])
def test_the_servers_refusal_is_told(server, tmp_path, status, attempts):
    server.status = status
    with pytest.raises(CorpusError, match=str(status)) as caught:
        fetch(archive(server), tmp_path, attempts=3, **QUICK)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == attempts


def test_no_server_at_all_is_told(server, tmp_path):
    server.close()
    with pytest.raises(CorpusError, match="cannot be downloaded"):
        fetch(archive(server), tmp_path, attempts=2, **QUICK)


def tar_with(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            data = b"sound" if info.isreg() else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_an_archive_is_unpacked_whole(tmp_path):
    tar = tar_with(tmp_path / "a.tar.gz", "corpus/ana/1.wav", "corpus/bea/1.wav")
    unpack(tar, tmp_path / "out")
    assert (tmp_path / "out" / "corpus" / "bea" / "1.wav").read_bytes() == b"sound"
    (tmp_path / "out" / "corpus" / "bea" / "1.wav").unlink()
    unpack(tar, tmp_path / "out")
    assert not (tmp_path / "out" / "corpus" / "bea" / "1.wav").exists()


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "member",
    [
        "../outside.wav",
        "corpus/../../outside.wav",
        link("corpus/link", "../../outside", tarfile.SYMTYPE),
        link("corpus/link", "/etc/passwd", tarfile.SYMTYPE),
        link("corpus/link", "../../outside", tarfile.LNKTYPE),
        link("corpus/device", "", tarfile.CHRTYPE),
    ],
    ids=["parent", "hidden parent", "symbolic", "absolute", "hard", "device"],
)
def test_members_that_leave_the_folder_are_refused(tmp_path, member):
    folder = tmp_path / "inside"
    folder.mkdir()
    tar = tar_with(folder / "a.tar.gz", "corpus/ana/1.wav", member)
    with pytest.raises(CorpusError, match="not safe to unpack"):
        unpack(tar, folder / "out")
    assert [path.name for path in folder.iterdir()] == ["a.tar.gz"]
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def test_a_damaged_archive_is_refused_and_leaves_nothing(tmp_path):
    tar = tar_with(tmp_path / "a.tar.gz", *(f"corpus/ana/{n}.wav" for n in range(2000)))
    tar.write_bytes(tar.read_bytes()[:2000])
    with pytest.raises(CorpusError, match="is damaged"):
        unpack(tar, tmp_path / "out")
    tar.write_bytes(b"no archive at all")
    with pytest.raises(CorpusError, match="is damaged"):
        unpack(tar, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]
