"""Finding photographs among files and folders."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tadmor.errors import UserError
from tadmor.media.photo_search import find_photos, natural_key, printable


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(*paths: Path) -> list[str]:
    return [photo.name for photo in find_photos(paths)]


def test_folders_are_searched_in_natural_order(tmp_path: Path) -> None:
    make(tmp_path, "img10.jpg", "IMG2.JPG", "b/1.heic", "a/2.tif", "a/10.TIFF", "notes.txt", "movie.mp4", "a/c/0.webp")
    assert names(tmp_path) == ["IMG2.JPG", "img10.jpg", "2.tif", "10.TIFF", "0.webp", "1.heic"]


def test_every_suffix_of_photos_is_known(tmp_path: Path) -> None:
    suffixes = ["jpg", "jpeg", "jpe", "png", "tif", "tiff", "webp", "heic", "heif", "avif", "bmp", "gif"]
    make(tmp_path, *(f"photo.{suffix}" for suffix in suffixes), "photo", "photo.raw", "photo.jpg.part")
    assert names(tmp_path) == sorted(f"photo.{suffix}" for suffix in suffixes)


def test_hidden_and_companion_files_are_left_out_of_folders(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "._a.jpg", ".hidden.jpg", "Thumbs.db", ".cache/b.jpg", "@eaDir/a.jpg", "__MACOSX/a.jpg")
    assert names(tmp_path) == ["a.jpg"]
    assert names(tmp_path / ".cache") == ["b.jpg"]


def test_caches_and_earlier_results_are_passed_by(tmp_path: Path) -> None:
    make(tmp_path, "cache/deep/cache.jpg", "result/deep/result.jpg", "album/deep/album.jpg")
    (tmp_path / "cache" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\nanything")
    (tmp_path / "result" / "report.json").write_text('{\n "format": "tadmor-report",\n "format_version": 1}')
    (tmp_path / "album" / "CACHEDIR.TAG").write_text("no signature")
    (tmp_path / "album" / "report.json").write_text('{"format": "of another program"}')
    assert names(tmp_path) == ["album.jpg"]
    # unless that is the very folder that was named
    assert names(tmp_path / "cache", tmp_path / "result") == ["cache.jpg", "result.jpg"]


def test_what_is_named_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    make(tmp_path, "scan.raw", ".hidden.jpg", "a.jpg")
    assert names(tmp_path / "scan.raw", tmp_path / ".hidden.jpg", tmp_path) == ["scan.raw", ".hidden.jpg", "a.jpg"]


def test_the_order_given_is_kept_and_nothing_is_found_twice(tmp_path: Path) -> None:
    make(tmp_path, "a/1.jpg", "a/2.jpg", "b/3.jpg")
    (tmp_path / "b/link.jpg").symlink_to(tmp_path / "a/1.jpg")
    (tmp_path / "again").symlink_to(tmp_path / "a")
    given = [tmp_path / "a/2.jpg", tmp_path / "a/../a/2.jpg", tmp_path / "b", tmp_path / "a", tmp_path / "again"]
    found = find_photos(given)
    assert [photo.path.resolve() for photo in found] == [
        tmp_path / "a/2.jpg",
        tmp_path / "b/3.jpg",
        tmp_path / "a/1.jpg",
    ]


def test_links_may_form_loops_or_lead_nowhere(tmp_path: Path) -> None:
    make(tmp_path, "a/1.jpg")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/self.jpg").symlink_to(tmp_path / "a/self.jpg")
    (tmp_path / "a/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert names(tmp_path) == ["1.jpg"]


def test_pipes_and_folders_called_jpg_are_no_photos(tmp_path: Path) -> None:
    make(tmp_path, "real.jpg", "folder.jpg/inner.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert names(tmp_path) == ["real.jpg", "inner.png"]


def test_very_deep_folders(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(1050):
            os.mkdir("d", dir_fd=here)
            here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
            os.close(above)
        os.close(os.open("deep.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        assert names(tmp_path) == ["deep.jpg"]
    finally:
        os.close(here)
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # pytest's own cleaning up is recursive


def test_names_are_unique_and_printable(tmp_path: Path) -> None:
    make(tmp_path, "one/IMG_1.jpg", "two/IMG_1.jpg", "two/قوس النصر.jpg", "two/new\nline.jpg")
    make(tmp_path / "two", os.fsdecode(b"\xe9t\xe9.jpg"), "\\xe9t\\xe9.jpg")
    found = names(tmp_path / "one", tmp_path / "two")
    assert sorted(found) == sorted(
        [
            "one/IMG_1.jpg",
            "two/IMG_1.jpg",
            "قوس النصر.jpg",
            "new\\nline.jpg",
            "two/\\xe9t\\xe9.jpg",
            "two/\\xe9t\\xe9.jpg (2)",
        ]
    )
    assert all(name.isprintable() for name in found)


@pytest.mark.parametrize(
    ("text", "shown"), [("قوس", "قوس"), ("a\tb", "a\\tb"), ("\x1b[31m", "\\x1b[31m"), ("\u202ex", "\\u202ex")]
)
def test_control_characters_do_not_reach_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_natural_order() -> None:
    given = ["img", "IMG_10", "img_9", "img_٣", "_", "1", "02", "10"]
    assert sorted(given, key=natural_key) == ["1", "02", "10", "_", "img", "img_9", "IMG_10", "img_٣"]


def test_nothing_there(tmp_path: Path) -> None:
    make(tmp_path, "text.txt")
    for given, code in (([tmp_path], "no-photos"), ([], "no-photos"), ([tmp_path / "x"], "input-missing")):
        with pytest.raises(UserError) as caught:
            find_photos(given)
        assert caught.value.code == code


@pytest.fixture
def nobody() -> Iterator[None]:
    """Give up root's right to read everything for the time of a test."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("mode", [0o000, 0o444])
@pytest.mark.parametrize("inner", [True, False])
def test_a_folder_that_may_not_be_read(
    tmp_path: Path, request: pytest.FixtureRequest, mode: int, *, inner: bool
) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    make(tmp_path, "closed/1.jpg", "2.jpg")
    (tmp_path / "closed").chmod(mode)
    request.getfixturevalue("nobody")
    with pytest.raises(UserError) as caught:
        find_photos([tmp_path if inner else tmp_path / "closed"])
    assert caught.value.code == "input-unreadable"
    assert caught.value.params["reason"] == "Permission denied"
    assert str(caught.value.params["path"]).startswith(str(tmp_path / "closed"))
