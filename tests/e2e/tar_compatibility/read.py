# Tells of every entry of an archive: type, mode, size, path, content or target.
import hashlib, os, sys, tarfile

TYPES = {
    tarfile.REGTYPE: "f",
    tarfile.DIRTYPE: "d",
    tarfile.LNKTYPE: "h",
    tarfile.SYMTYPE: "l",
    tarfile.FIFOTYPE: "p",
}
with tarfile.open(sys.argv[1], sys.argv[2]) as tar:
    for entry in tar:
        path = os.fsencode(entry.name)
        if path in (b".", b""):
            continue
        kind = TYPES[entry.type]
        mode, size, content = f"{entry.mode & 0o7777:o}", "-", "-"
        if kind == "f":
            size = entry.size
            content = hashlib.sha256(tar.extractfile(entry).read()).hexdigest()
        if kind in "hl":
            mode, content = "-", os.fsencode(entry.linkname).hex()
        print(kind, mode, size, path.hex(), content)
