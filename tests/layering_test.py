#!/usr/bin/env python3
"""The arrows between folders, proved by their includes: an inner layer never knows an outer one.

    layering_test.py REPOSITORY    prints what was checked; exit 1 names every line that points the wrong way
"""
import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')

# What each kind of outside thing looks like in an include.
ATEN = r"(ATen|c10|torch)/"
GRPC = r"(grpc|grpcpp)/"
PROTO = r"(easel/v1|google/(protobuf|rpc)|grpc/health|inference)/"
PROMETHEUS = r"prometheus/"
FLAGS_AND_LOG = r"(CLI|spdlog)/"
CODECS = r"(png|turbojpeg|webp/.*)\.h$"

# Folder (all below it) or file: what it must never include. Every rule that fits a file holds for it.
RULES = [
    ("model", rf"(server|client|tests)/|{GRPC}|{PROTO}|{PROMETHEUS}"),
    ("model/io", r"model/(?!io/|nn/|image\.h)"),
    ("model/nn", r"model/(?!nn/)"),
    ("model/sampling", r"model/(?!sampling/|generation_spec\.h|io/status_macros\.h)"),
    ("model/transformers", r"model/(?!transformers/|nn/|io/|conditioning/conditioning\.h)"),
    ("model/conditioning", r"model/(?!conditioning/|nn/|io/)"),
    ("model/autoencoder", r"model/(?!autoencoder/|nn/|io/|image\.h)"),
    ("server", r"(client|tests)/|model/train/"),
    ("server/engine", rf"server/(?!engine/|sync/)|{GRPC}|{PROTO}|{PROMETHEUS}|{FLAGS_AND_LOG}|{CODECS}"),
    ("server/image", rf"server/(?!image/|sync/)|model/(?!image\.h|io/status_macros\.h)|{ATEN}|{GRPC}|{PROTO}"),
    ("server/service", rf"server/(?!service/|engine/|image/|sync/)|{ATEN}|{PROMETHEUS}|{FLAGS_AND_LOG}|{CODECS}"
                       r"|model/(?!generation_spec\.h|model_info\.h|image\.h|io/status_macros\.h)"),
    ("server/inference", rf"server/(?!inference/|service/|engine/engine\.h|image/png\.h|sync/)|{ATEN}|{PROMETHEUS}|{FLAGS_AND_LOG}|{CODECS}"
                         r"|model/(?!model_info\.h|io/status_macros\.h)"),
    ("server/sync", rf"server/(?!sync/)|model/|{ATEN}|{GRPC}|{PROTO}"),
    ("server/metrics", rf"server/(?!metrics/|sync/|engine/engine_observer\.h|engine/memory_use\.h|service/service_observer\.h)|{ATEN}|{GRPC}|{PROTO}|model/"),
    ("client", rf"model/(?!image\.h)|tests/|server/(?!image/|empty_values\.h)|{ATEN}|{PROMETHEUS}|spdlog/"),
    # It is installed: what its callers read is all that they need.
    ("client/image_client.h", r"(?!absl/|easel/v1/image_generation\.pb\.h$|[a-z]+$)"),
]
# Whoever includes gRPC's headers does without ATen's, which take 13 s to read and bring another protobuf.
NOT_TOGETHER = (GRPC, ATEN)
# What of model/ the trainer alone may include: it is a program, and torch/torch.h takes half a minute to read.
TRAINERS, TRAINER = rf"torch/torch\.h$|{FLAGS_AND_LOG}", "model/train/"

BANNED_STEMS = re.compile(r"(^|_)(utils?|commons?|helpers?|misc)(_|$)")
# The word is diffusers' for three different things; ours are NoiseSchedule, Sampler and Batcher. In texts it may stand, for
# it names files and keys.
BANNED_WORD = re.compile(r"scheduler", re.IGNORECASE)
# Comments and literals, in the order in which they may begin.
TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


def without_text(source: str) -> str:
    """The code alone, with its lines where they were. An include's path stays: it names a file of ours."""
    def blank(match):
        line = source.rfind("\n", 0, match.start()) + 1
        if re.match(r"\s*#\s*include\s*$", source[line:match.start()]):
            return match.group()
        return "\n" * match.group().count("\n")
    return TEXT.sub(blank, source)


def faults_of(name: str, source: str):
    """Yields `line, what is wrong` for one file, named by its path in the repository."""
    includes = [(number, match.group(1))
                for number, line in enumerate(source.splitlines(), 1) if (match := INCLUDE.match(line))]
    for number, path in includes:
        for folder, forbidden in RULES:
            if (name == folder or name.startswith(folder + "/")) and re.match(forbidden, path):
                yield number, f"{folder} must not include {path}"
        if name.startswith("model/") and re.match(TRAINERS, path) and not name.startswith(TRAINER):
            yield number, f"{path} is for {TRAINER} alone"
    both = [next((number for number, path in includes if re.match(kind, path)), None) for kind in NOT_TOGETHER]
    if all(both):
        yield max(both), "includes headers of gRPC and of LibTorch"
    if BANNED_STEMS.search(Path(name).stem):
        yield 1, f"a file name says what is in it; {Path(name).name} does not"
    for number, line in enumerate(without_text(source).splitlines(), 1):
        if BANNED_WORD.search(line):
            yield number, "the word scheduler is not ours (NoiseSchedule, Sampler, Batcher)"


def check_the_checker():
    """Each kind of fault, planted: a rule that lets everything through would be no rule."""
    planted = [
        ("model/denoise.cc", '#include "server/engine/engine.h"\n'),
        ("model/nn/layers.cc", '#include "model/conditioning/conditioning.h"\n'),
        ("model/sampling/euler.h", '#include "model/transformers/transformer.h"\n'),
        ("server/engine/worker.cc", "#include <grpcpp/grpcpp.h>\n"),
        ("server/engine/worker.cc", '#include "easel/v1/image_generation.pb.h"\n'),
        ("server/service/event_stream.h", "#include <ATen/ATen.h>\n"),
        ("server/metrics/prometheus_observer.h", '#include "server/engine/engine.h"\n'),
        ("server/service/start_generation.cc", '#include "server/inference/infer_call.h"\n'),
        ("client/cli/main.cc", '#include "model/pipeline.h"\n'),
        ("client/image_client.h", "#include <grpcpp/channel.h>\n"),
        ("server/app.cc", "#include <grpcpp/server.h>\n#include <c10/core/Device.h>\n"),
        ("model/pipeline.cc", "#include <torch/torch.h>\n"),
        ("server/string_utils.h", ""),
        ("model/pipeline.cc", "int scheduler_steps;\n"),
    ]
    for name, source in planted:
        if not list(faults_of(name, source)):
            sys.exit(f"the check itself is broken: it finds no fault in {name}: {source!r}")
    for name, source in [("model/io/model_directory.cc", 'Open("scheduler");  // the scheduler\'s folder\n'),
                         ("server/service/wire.cc", "#include <grpcpp/grpcpp.h>\n")]:
        for number, what in faults_of(name, source):
            sys.exit(f"the check itself is broken: in {name}:{number} it finds: {what}")


def main() -> int:
    root = Path(sys.argv[1]).resolve()
    check_the_checker()
    faults, counts, includes = [], {}, 0
    for top in ("model", "server", "client"):
        files = sorted(path for path in (root / top).rglob("*") if path.suffix in (".h", ".cc"))
        counts[top] = len(files)
        for path in files:
            source = path.read_text(encoding="utf-8")
            includes += sum(bool(INCLUDE.match(line)) for line in source.splitlines())
            name = path.relative_to(root).as_posix()
            faults += [f"{name}:{number}: {what}" for number, what in faults_of(name, source)]
    print("checked", ", ".join(f"{count} files of {top}/" for top, count in counts.items()),
          f"with {includes} includes against {len(RULES)} rules")
    if not all(counts.values()):
        print("no files found: is this the repository?", root)
        return 1
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
