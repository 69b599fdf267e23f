#!/usr/bin/env python3
"""thread_safety_test.py BUILD ROOT

clang's -Wthread-safety over every file of server/ and client/ that has a mutex (they are private to their files): what is guarded is
touched under its mutex alone, and a function that asks for one is called with it. Compiles nothing; the build itself may be g++'s.
Exit 77 (skipped) where there is no clang++.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

FOLDERS = ("server", "client")
MUTEX = re.compile(r"\bMutex\b")
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
# g++'s own, and what a precompiled header of g++'s would be to clang.
DROPPED = re.compile(r"-fpch-\S+|-Winvalid-pch|-Wno-\S+|-W\S+|-fopenmp\S*|-flto\S*")


def includes(path, root, known):
    """All headers of this project that a file sees."""
    if path not in known:
        known[path] = set()
        for name in INCLUDE.findall((root / path).read_text()):
            if (root / name).exists():
                known[path] |= {name} | includes(name, root, known)
    return known[path]


def command_of(entry, clang):
    words, command = shlex.split(entry["command"])[1:], [clang]
    while words:
        word = words.pop(0)
        if word in ("-o", "-c"):
            words.pop(0)
        elif word == "-include":
            name = words.pop(0)
            command += [] if name.endswith("cmake_pch.hxx") else [word, name]
        elif not DROPPED.fullmatch(word):
            command.append(word)
    return command + ["-fsyntax-only", "-Wno-everything", "-Wthread-safety", "-Werror=thread-safety", entry["file"]]


def main():
    build, root = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    clang = shutil.which("clang++")
    if clang is None:
        print("skipped: there is no clang++")
        sys.exit(77)
    known, entries = {}, {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"]).resolve()
        if path.is_relative_to(root) and path.relative_to(root).parts[0] in FOLDERS:
            entries[str(path.relative_to(root))] = entry
    with_mutex = {str(path.relative_to(root)) for folder in FOLDERS for path in (root / folder).rglob("*")
                  if path.suffix in (".cc", ".h") and MUTEX.search(path.read_text())}
    if not with_mutex:
        sys.exit("no file has a mutex: this checks nothing")
    # Of each its own file, or one that includes it.
    commands, unseen = {}, []
    for path in sorted(with_mutex):
        seen_by = [other for other in sorted(entries) if other == path or path in includes(other, root, known)]
        seen_by.sort(key=lambda other: (pathlib.Path(other).stem != pathlib.Path(path).stem, len(known.get(other, ()))))
        if not seen_by:
            unseen.append(path)
        elif not commands.keys() & set(seen_by) or pathlib.Path(seen_by[0]).stem == pathlib.Path(path).stem:
            commands[seen_by[0]] = command_of(entries[seen_by[0]], clang), entries[seen_by[0]]["directory"]
    if unseen:
        sys.exit(f"no file that is built sees the mutex of {unseen}")

    def check(path):
        command, directory = commands[path]
        return path, subprocess.run(command, cwd=directory, capture_output=True, text=True)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, done in pool.map(check, sorted(commands)):
            if done.returncode != 0:
                failed += 1
                print(f"{path}:\n{done.stderr}", file=sys.stderr)
    print(f"{len(commands)} files, {failed} of them failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
