"""Pictures: only real ones are taken, and what is kept says nothing about where, when or by whom."""

import hashlib
import io
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore
from PIL import ExifTags, Image, PngImagePlugin

from app.core import storage
from app.core.errors import BihuanError, NotFound, StorageFull, Unavailable
from app.core.settings import Settings, SettingsError
from app.core.storage import Attachments, PictureRefused, open_store, picture_type

MARK = "hidden-personal-mark"
#: 32°03′36″ N, 118°47′24″ E
NANJING = (118.79, 32.06)


def exif_block(*, orientation: int = 1, place: bool = True, **camera: Any) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = MARK
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = camera.get("taken", "2026:05:06 12:30:00")
    if "offset" in camera:
        details[ExifTags.Base.OffsetTimeOriginal] = camera["offset"]
    if place:
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
        gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = "N", (32.0, 3.0, 36.0)
        gps[ExifTags.GPS.GPSLongitudeRef], gps[ExifTags.GPS.GPSLongitude] = "E", (118.0, 47.0, 24.0)
        gps.update(camera.get("gps", {}))
    return exif


def picture(kind: str = "JPEG", size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: Any) -> bytes:
    """A picture whose left half is red, as bytes."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    image.convert(mode).save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def attachments() -> Attachments:
    return Attachments(MemoryStore())


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
async def test_a_picture_is_kept_under_the_digest_of_what_was_sent(
    kind: str, media_type: str, attachments: Attachments
) -> None:
    data = picture(kind)
    stored = await attachments.put(data)
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    assert stored.media_type == media_type
    kept = await attachments.get(stored.sha256)
    assert len(kept) == stored.size
    assert picture_type(kept) == media_type
    assert Image.open(io.BytesIO(kept)).size == (40, 20)


def marked(kind: str) -> bytes:
    options: dict[str, Any] = {"exif": exif_block(), "xmp": f"<x>{MARK}</x>".encode()}
    if kind == "JPEG":
        options["comment"] = MARK
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Author", MARK)
        text.add_itxt("XML:com.adobe.xmp", MARK)
        options = {"exif": exif_block(), "pnginfo": text}
    return picture(kind, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_no_metadata_is_kept(kind: str, attachments: Attachments) -> None:
    data = marked(kind)
    assert MARK.encode() in data
    stored = await attachments.put(data)
    assert stored.exif.lon_lat == pytest.approx(NANJING)
    kept = await attachments.get(stored.sha256)
    assert MARK.encode() not in kept
    assert not Image.open(io.BytesIO(kept)).getexif()


async def test_a_picture_taken_sideways_is_turned_upright(attachments: Attachments) -> None:
    stored = await attachments.put(picture(exif=exif_block(orientation=6), quality=95))
    upright = Image.open(io.BytesIO(await attachments.get(stored.sha256))).convert("RGB")
    assert upright.size == (20, 40)
    top, bottom = upright.getpixel((10, 5)), upright.getpixel((10, 35))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 200 > 100 > bottom[0], "the left half is now the upper one"


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "1")]
)
async def test_unusual_colour_modes(kind: str, mode: str, attachments: Attachments) -> None:
    stored = await attachments.put(picture(kind, mode=mode))
    assert Image.open(io.BytesIO(await attachments.get(stored.sha256))).size == (40, 20)


@pytest.mark.parametrize(
    ("camera", "taken_at"),
    [
        ({"offset": "+08:00"}, datetime(2026, 5, 6, 4, 30, tzinfo=UTC)),
        ({"offset": "-03:00"}, datetime(2026, 5, 6, 15, 30, tzinfo=UTC)),
        ({"offset": "rubbish"}, datetime(2026, 5, 6, 4, 30, tzinfo=UTC)),
        ({}, datetime(2026, 5, 6, 4, 30, tzinfo=UTC)),
        ({"taken": "0000:00:00 00:00:00"}, None),
        ({"taken": "yesterday"}, None),
    ],
)
async def test_time_of_the_camera(camera: dict[str, Any], taken_at: datetime | None, attachments: Attachments) -> None:
    stored = await attachments.put(picture(exif=exif_block(**camera)))
    assert stored.exif.taken_at == taken_at


@pytest.mark.parametrize(
    ("gps", "lon_lat"),
    [
        ({ExifTags.GPS.GPSLongitudeRef: "W"}, (-NANJING[0], NANJING[1])),
        ({ExifTags.GPS.GPSLatitudeRef: "S"}, (NANJING[0], -NANJING[1])),
        ({ExifTags.GPS.GPSLongitude: (0.0,) * 3, ExifTags.GPS.GPSLatitude: (0.0,) * 3}, None),
        ({ExifTags.GPS.GPSLatitude: (95.0, 0.0, 0.0)}, None),
        ({ExifTags.GPS.GPSLatitude: (32.0, 3.0)}, None),
    ],
)
async def test_place_of_the_camera(
    gps: dict[int, Any], lon_lat: tuple[float, float] | None, attachments: Attachments
) -> None:
    stored = await attachments.put(picture(exif=exif_block(gps=gps)))
    assert stored.exif.lon_lat == (pytest.approx(lon_lat) if lon_lat else None)


async def test_a_picture_without_exif_has_neither_time_nor_place(attachments: Attachments) -> None:
    stored = await attachments.put(picture())
    assert (stored.exif.taken_at, stored.exif.lon_lat) == (None, None)


async def test_sending_the_same_again_changes_nothing(
    attachments: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = picture(exif=exif_block())
    first = await attachments.put(data)
    monkeypatch.setattr(storage, "_strip", lambda *_: pytest.fail("encoded a second time"))
    assert await attachments.put(data) == first


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a" + bytes(40),
        picture("GIF"),
        picture("BMP"),
        b"\xff\xd8\xff" + b"<script>" * 20,
        picture("PNG")[:60],
        picture(size=(400, 400))[:-600],
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(30),
    ],
)
async def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    store = MemoryStore()
    with pytest.raises(PictureRefused) as refusal:
        await Attachments(store).put(data)
    assert refusal.value.status == 422
    assert not store.list().collect(), "nothing was kept"


@pytest.mark.parametrize("pixels_allowed", [799, 300])
async def test_too_many_pixels_are_refused_before_decoding(
    pixels_allowed: int, attachments: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MAX_PIXELS", pixels_allowed)
    with pytest.raises(PictureRefused, match="像素过多"):
        await attachments.put(picture())


async def test_a_decompression_bomb_is_refused(attachments: Attachments) -> None:
    header = bytearray(picture("PNG", mode="1"))
    header[16:24] = (60_000).to_bytes(4) * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4)
    with pytest.raises(PictureRefused, match="像素过多"):
        await attachments.put(bytes(header))


@pytest.mark.parametrize("sha256", ["0" * 64, "../../etc/passwd", "", "0" * 63, "A" * 64, "0" * 64 + "\n"])
async def test_what_is_not_there_is_not_found(sha256: str, attachments: Attachments) -> None:
    with pytest.raises(NotFound):
        await attachments.get(sha256)


async def test_deleting_twice_is_fine(attachments: Attachments) -> None:
    stored = await attachments.put(picture())
    await attachments.delete(stored.sha256)
    await attachments.delete(stored.sha256)
    with pytest.raises(NotFound):
        await attachments.get(stored.sha256)


async def test_a_local_folder_is_made_and_spread_over_subfolders(tmp_path: Path) -> None:
    folder = tmp_path / "数据 1"
    attachments = Attachments.from_settings(Settings(demo=True, data_dir=folder))
    stored = await attachments.put(picture())
    path = folder / "attachments" / stored.sha256[:2] / stored.sha256[2:4] / stored.sha256
    assert path.read_bytes() == await attachments.get(stored.sha256)
    await attachments.delete(stored.sha256)
    await attachments.delete(stored.sha256)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (GenericError("Unable to copy data to file: No space left on device (os error 28)"), StorageFull),
        (GenericError("Disk quota exceeded (os error 122)"), StorageFull),
        (GenericError("Read-only file system (os error 30)"), Unavailable),
        (PermissionError("Permission denied (os error 13)"), Unavailable),
    ],
)
async def test_a_store_that_fails(
    failure: Exception, expected: type[BihuanError], attachments: Attachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(obstore, "put", fail)
    with pytest.raises(expected):
        await attachments.put(picture())


@pytest.mark.parametrize("url", ["ftp://host/x", "nonsense", "file:///dev/null/x"])
def test_an_address_that_cannot_be_used_is_told_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="BIHUAN_STORAGE_URL"):
        open_store(url)
