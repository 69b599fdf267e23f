#!/usr/bin/env python3
"""contact_sheet.py OUT.png IN.png...: the pictures side by side. Needs nothing but Python: it reads and writes 8-bit RGB PNG."""
import struct
import sys
import zlib

COLUMNS, GAP = 6, 6


def read(path):
    data = open(path, "rb").read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        sys.exit(f"contact_sheet: {path} is not a PNG file")
    position, body, width, height = 8, b"", 0, 0
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position:position + 8])
        chunk = data[position + 8:position + 8 + length]
        position += length + 12
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunk)
            if (depth, colour, interlace) != (8, 2, 0):
                sys.exit(f"contact_sheet: {path} is not plain 8-bit RGB")
        elif kind == b"IDAT":
            body += chunk
    raw, stride = zlib.decompress(body), width * 3
    rows, above = [], bytes(stride)
    for y in range(height):
        method, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left, up = line[x - 3] if x >= 3 else 0, above[x]
            corner = above[x - 3] if x >= 3 else 0
            if method == 1:
                line[x] = (line[x] + left) & 255
            elif method == 2:
                line[x] = (line[x] + up) & 255
            elif method == 3:
                line[x] = (line[x] + (left + up) // 2) & 255
            elif method == 4:
                p = left + up - corner
                nearest = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
                line[x] = (line[x] + nearest) & 255
        rows.append(bytes(line))
        above = rows[-1]
    return width, height, rows


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    pictures = [read(path) for path in sys.argv[2:]]
    cell_w, cell_h = max(p[0] for p in pictures) + GAP, max(p[1] for p in pictures) + GAP
    columns = min(COLUMNS, len(pictures))
    count = -(-len(pictures) // columns)
    sheet = [bytearray(b"\xff" * (columns * cell_w + GAP) * 3) for _ in range(count * cell_h + GAP)]
    for i, (width, height, rows) in enumerate(pictures):
        top, left = GAP + i // columns * cell_h, GAP + i % columns * cell_w
        for y, row in enumerate(rows):
            sheet[top + y][left * 3:(left + width) * 3] = row
    raw = b"".join(b"\x00" + bytes(row) for row in sheet)
    header = struct.pack(">IIBBBBB", columns * cell_w + GAP, len(sheet), 8, 2, 0, 0, 0)
    with open(sys.argv[1], "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 6)) + chunk(b"IEND", b""))


main()
