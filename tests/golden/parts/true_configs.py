"""The names and shapes of the published models' tensors, from their configs, built without memory for weights.

data/true_configs/<model>/config.json    as published; written by hand, not by this part
data/true_configs/<model>/shapes.txt     of the tensors that the class saves, a line each: its name, then its sizes. Lines that
                                         differ in the first number of the name alone are one: blocks.{0-18}.norm.weight 64
"""
import itertools
import json

import torch


def network(config):
    if "_class_name" in config:
        import diffusers
        with torch.device("meta"):
            return getattr(diffusers, config["_class_name"]).from_config(config)
    import transformers
    cls = getattr(transformers, config["architectures"][0])
    with torch.device("meta"):
        return cls(cls.config_class.from_dict(config))


def saved(model):
    """name → shape. Of names that share a tensor the class saves the one that the others are tied to."""
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    return {name: tuple(t.shape) for name, t in model.state_dict().items() if name not in tied}


def split(name):
    """Before, as and after its first number; a name without one: (name, None, "")."""
    parts = name.split(".")
    for i, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[:i]), int(part), ".".join(parts[i + 1:])
    return name, None, ""


def lines(shapes):
    numbers = {}
    for name, shape in shapes.items():
        before, number, after = split(name)
        numbers.setdefault((before, after, shape), []).append(number)
    for (before, after, shape), indices in numbers.items():
        sizes = " ".join(map(str, shape))
        if indices == [None]:
            yield f"{before} {sizes}"
            continue
        for _, run in itertools.groupby(enumerate(sorted(indices)), lambda pair: pair[1] - pair[0]):
            run = [number for _, number in run]
            span = f"{{{run[0]}-{run[-1]}}}" if len(run) > 1 else run[0]
            yield f"{before}.{span}.{after} {sizes}"


def make(out, options):
    for path in sorted(out.glob("*/config.json")):
        shapes = saved(network(json.loads(path.read_text())))
        (path.parent / "shapes.txt").write_text("\n".join(sorted(lines(shapes))) + "\n")
