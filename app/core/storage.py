"""Attachments: pictures kept in an object store under the SHA-256 of the bytes that the client sent.

What is kept is a re-encoded picture without metadata (position, time, device and owner go), turned upright.
So the digest names the original, by which a client asks for its picture again, and is no checksum of the
stored bytes.
"""

import asyncio
import hashlib
import io
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import filetype
import obstore
from filetype.types import image as picture_types
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url
from PIL import ExifTags, Image, ImageOps

from app.core.errors import Malformed, NotFound, StorageFull, Unavailable
from app.core.settings import Settings, SettingsError

MAX_PIXELS: Final = 50_000_000
#: pictures decoded at the same time; one of ``MAX_PIXELS`` takes 150–350 MB while it is
CONCURRENT_PICTURES: Final = 2
#: cameras that do not note their offset are taken to run on China's one time zone
CHINA_TIME: Final = timezone(timedelta(hours=8))

_MATCHERS: Final = (picture_types.Jpeg(), picture_types.Png(), picture_types.Webp())
_PILLOW_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
#: ENOSPC, EDQUOT and Windows' ERROR_DISK_FULL, as the object store words them
_FULL: Final = re.compile(r"os error (28|122|112)\)|kind: (StorageFull|QuotaExceeded)")


class PictureRefused(Malformed):
    """Not a picture that we take, or a damaged one."""

    code = "picture_refused"
    title = "图片无法接收"


@dataclass(frozen=True, slots=True)
class Exif:
    """What the camera noted. ``lon_lat`` in degrees, WGS-84 unless the phone's maker bent the rule."""

    taken_at: datetime | None = None
    lon_lat: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A kept picture. ``sha256``: hex digest of the bytes received; ``size``: bytes kept."""

    sha256: str
    size: int
    media_type: str
    exif: Exif


class Attachments:
    """Pictures in one object store; decoding and waiting happen in threads, a few at a time."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._slots = asyncio.Semaphore(CONCURRENT_PICTURES)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Attachments":
        """Raises SettingsError when the store's address cannot be used."""
        return cls(open_store(settings.attachments_url))

    async def put(self, data: bytes) -> Stored:
        """Keep one picture (JPEG, PNG, WebP; at most ``MAX_PIXELS``). The same bytes again change nothing.

        Raises PictureRefused, StorageFull, Unavailable.
        """
        async with self._slots:
            return await asyncio.to_thread(self._put, data)

    async def get(self, sha256: str) -> bytes:
        """The kept picture. Raises NotFound, Unavailable."""
        return await asyncio.to_thread(self._get, _path(sha256))

    async def has(self, sha256: str) -> bool:
        """True when a picture is kept under this digest. Raises NotFound (no digest), Unavailable."""
        return await asyncio.to_thread(self._size, _path(sha256)) is not None

    async def delete(self, sha256: str) -> None:
        """Remove it; one that is not there counts as removed. Raises NotFound (no digest), Unavailable."""
        await asyncio.to_thread(self._delete, _path(sha256))

    def _put(self, data: bytes) -> Stored:
        media_type = picture_type(data)
        sha256 = hashlib.sha256(data).hexdigest()
        path = _path(sha256)
        picture = _open(data, media_type)
        exif = read_exif(picture)
        size = self._size(path)
        if size is None:
            stripped = _strip(picture, media_type)
            size = len(stripped)
            try:
                obstore.put(self._store, path, stripped)
            except (BaseError, OSError) as error:
                raise _storage_error(error) from error
        return Stored(sha256, size, media_type, exif)

    def _size(self, path: str) -> int | None:
        try:
            return int(obstore.head(self._store, path)["size"])
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _storage_error(error) from error

    def _get(self, path: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, path).bytes())
        except FileNotFoundError:
            raise NotFound("找不到该附件") from None
        except (BaseError, OSError) as error:
            raise _storage_error(error) from error

    def _delete(self, path: str) -> None:
        try:
            obstore.delete(self._store, path)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise _storage_error(error) from error


def open_store(url: str) -> ObjectStore:
    """The object store at ``url``: ``file://…`` (made if missing), ``s3://…``, ``memory:///``.

    Raises SettingsError.
    """
    try:
        return from_url(url, mkdir=True) if url.startswith("file:") else from_url(url)
    except (BaseError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(
            f"BIHUAN_STORAGE_URL：附件存储无法使用 / the attachment store cannot be used: {reason}"
        ) from error


def picture_type(data: bytes) -> str:
    """Media type by the leading bytes, whatever the sender called it. Raises PictureRefused."""
    kind = filetype.match(data, _MATCHERS) if data else None
    if kind is None:
        raise PictureRefused("只接收 JPEG、PNG 或 WebP 图片，请转换格式后重新上传")
    return str(kind.mime)


def read_exif(picture: Image.Image) -> Exif:
    """Time and place from the EXIF block; a value that makes no sense is as good as absent."""
    try:
        exif = picture.getexif()
        camera, gps = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    except (OSError, ValueError, TypeError, KeyError, SyntaxError):
        return Exif()
    return Exif(_taken_at(camera), _lon_lat(gps))


def _path(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise NotFound("找不到该附件")
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _open(data: bytes, media_type: str) -> Image.Image:
    """A picture whose header was read and whose size is bearable; no pixel is decoded yet."""
    try:
        picture = Image.open(io.BytesIO(data), formats=(_PILLOW_FORMATS[media_type],))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except (OSError, ValueError, SyntaxError):
        raise PictureRefused("图片已损坏，请重新拍摄或上传") from None
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_many_pixels()
    return picture


def _too_many_pixels() -> PictureRefused:
    return PictureRefused(f"图片像素过多，最多 {MAX_PIXELS // 10_000} 万像素，请缩小后重新上传")


def _strip(picture: Image.Image, media_type: str) -> bytes:
    """The first frame, upright and without metadata, in the same format. Raises PictureRefused."""
    kept = io.BytesIO()
    try:
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        # Savers put comments, XMP and more from ``info`` into the new file; only what the colours need may
        # stay.
        info: dict[str | tuple[int, int], Any] = {
            name: picture.info[name] for name in ("transparency", "icc_profile") if name in picture.info
        }
        if media_type == "image/jpeg" and picture.mode not in ("L", "RGB"):
            picture = picture.convert("RGB")
            info.pop("icc_profile", None)
        picture.info = info
        picture.save(kept, _PILLOW_FORMATS[media_type], quality=90, icc_profile=info.get("icc_profile"), exif=b"")
    except (OSError, ValueError, SyntaxError, IndexError):
        raise PictureRefused("图片已损坏，请重新拍摄或上传") from None
    return kept.getvalue()


def _taken_at(camera: dict[int, Any]) -> datetime | None:
    text = camera.get(ExifTags.Base.DateTimeOriginal) or camera.get(ExifTags.Base.DateTimeDigitized)
    offset = camera.get(ExifTags.Base.OffsetTimeOriginal) or camera.get(ExifTags.Base.OffsetTime)
    if not isinstance(text, str):
        return None
    try:
        local = datetime.strptime(text.strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    try:
        return datetime.strptime(f"{local:%Y%m%d%H%M%S}{str(offset).strip(chr(0) + ' ')}", "%Y%m%d%H%M%S%z")
    except ValueError:
        return local.replace(tzinfo=CHINA_TIME)


def _lon_lat(gps: dict[int, Any]) -> tuple[float, float] | None:
    try:
        lon = _degrees(gps[ExifTags.GPS.GPSLongitude], gps[ExifTags.GPS.GPSLongitudeRef], "W")
        lat = _degrees(gps[ExifTags.GPS.GPSLatitude], gps[ExifTags.GPS.GPSLatitudeRef], "S")
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    # Cameras without a fix write zeros.
    in_range = math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 180 and abs(lat) <= 90
    return (lon, lat) if in_range and (lon, lat) != (0, 0) else None


def _degrees(parts: Any, ref: Any, negative: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    return -value if str(ref).strip("\0 ").upper() == negative else value


def _storage_error(error: Exception) -> StorageFull | Unavailable:
    if _FULL.search(str(error)):
        return StorageFull("附件存储空间已满，附件未能保存，请联系系统管理员")
    return Unavailable("附件存储暂时无法访问，请稍后重试；若持续出现请联系系统管理员")
