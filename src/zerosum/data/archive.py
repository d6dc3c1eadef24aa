"""Images in a zip file, read member by member and never extracted."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath

from zerosum.data.ask import Ask, find_file
from zerosum.data.files import Item, Listing, load_listing, sort_items, why_ignored
from zerosum.data.images import Images
from zerosum.data.sources import Source
from zerosum.errors import DataError

SOURCES = (Source("zip:PATH", "a zip file of such images, read without extracting it", place=90),)
# Bytes that a member may unpack to; an uncompressed image of 100 million pixels with alpha takes 400 MB.
MAX_MEMBER = 512 << 20


def load_zip(ask: Ask) -> Images:
    """The images in a zip file."""
    path = find_file(ask)
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{ask.source}: {path} is not a zip file, or is cut short ({error})") from error
    with archive:
        return load_listing(find_members(ask, archive), ask, "zip")


def find_members(ask: Ask, archive: zipfile.ZipFile) -> Listing:
    """The image members of an archive.

    Raises:
        DataError: A member's name or kind shows an archive made to do harm, or none is an image.
    """
    items: list[Item] = []
    ignored: list[str] = []
    for info in archive.infolist():
        _check_member(ask, info)
        if info.is_dir():
            continue
        name = PurePosixPath(info.filename).as_posix()  # some tools write "./a.png"
        reason = why_ignored(name)
        if reason:
            ignored.append(reason)
        else:
            items.append(Item(name, (info.file_size, info.CRC), _make_reader(archive, info)))
    if not items:
        raise DataError(f"{ask.source}: the archive holds no images, only {len(ignored)} other files")
    doubled = len(items) - len({item.name for item in items})
    if doubled:
        raise DataError(f"{ask.source}: {doubled} members bear a name that another has too. Pack the archive again")
    return sort_items(items, ignored)


def _check_member(ask: Ask, info: zipfile.ZipInfo) -> None:
    """Refuse the whole archive for one member that an honest archive of images would not hold."""
    name = info.orig_filename.replace("\\", "/")  # the name as stored: the cleaned one hides what was there
    if name.startswith("/") or name[1:2] == ":" or ".." in PurePosixPath(name).parts or "\0" in name:
        why = "its name leads out of the archive"
    elif stat.S_ISLNK(info.external_attr >> 16):
        why = "it is a symbolic link"
    elif info.flag_bits & 1:
        why = "it is encrypted; pack the archive without a password"
    elif info.file_size > MAX_MEMBER and not why_ignored(info.filename):
        why = f"it unpacks to {info.file_size:,} bytes, more than the {MAX_MEMBER:,} that are accepted"
    else:
        return
    raise DataError(f"{ask.source}: the archive is refused because of its member {info.orig_filename!r}: {why}")


def _make_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            # zipfile stops at the size the directory declares (checked above) and compares the checksum of what it
            # read, so a member that declares less than it holds costs no more memory than it declares, and fails.
            with archive.open(info) as member:
                return member.read(MAX_MEMBER + 1)
        except (zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: encrypted after all
            raise OSError(str(error)) from error

    return read
