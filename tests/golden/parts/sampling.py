"""Times, trajectories and guidance, from diffusers where it has them and from plain loops in float64.

data/sampling/times.safetensors          "<steps>_<shift>": the times, torch.linspace shifted
data/sampling/trajectories.safetensors   noise; "<sampler>_<kind>_<steps>_<shift>": the latent after every step
data/sampling/guidance.safetensors       conditional, unconditional; "<scale>_<rescale>": the guided prediction

The network of the trajectories is a function that C++ computes too: as velocity, sin(2 x + t) - x / 2; as epsilon, the
noise in x when the data is sin(2 x + t).
"""
import numpy as np
import torch
from safetensors.torch import save_file

GRIDS = [(1, 1.0), (4, 1.0), (7, 1.0), (50, 1.0), (4, 3.0), (28, 3.0), (9, 0.5), (12, 1.73)]


def shifted(t, shift):
    return shift * t / (1 + (shift - 1) * t)


def field(x, t):
    return torch.sin(2 * x + t) - x / 2


def velocity(kind, x, t):
    if kind == "velocity":
        return field(x, t)
    noise = (x - (1 - t) * torch.sin(2 * x + t)) / t  # from x = (1 - t) data + t noise
    return noise if t == 1 else (noise - x) / (1 - t)


def euler_of_diffusers(noise, steps, shift):
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps))
    x, states = noise, []
    for timestep in scheduler.timesteps:
        x = scheduler.step(field(x, timestep / 1000), timestep, x).prev_sample
        states.append(x)
    return torch.stack(states)


def euler(noise, kind, steps, shift):
    times = shifted(torch.linspace(1, 0, steps + 1, dtype=torch.float64), shift)
    x, states = noise.double(), []
    for t, t_next in zip(times[:-1], times[1:]):
        x = x - (t - t_next) * velocity(kind, x, t)
        states.append(x)
    return torch.stack(states).float()


def heun(noise, kind, steps, shift):
    times = shifted(torch.linspace(1, 0, steps + 1, dtype=torch.float64), shift)
    x, states = noise.double(), []
    for t, t_next in zip(times[:-1], times[1:]):
        v = velocity(kind, x, t)
        if t_next > 0:
            v = (v + velocity(kind, x - (t - t_next) * v, t_next)) / 2
        x = x - (t - t_next) * v
        states.append(x)
    return torch.stack(states).float()


def make(out, options):
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    times = {f"{n}_{s:g}": shifted(torch.linspace(1, 0, n + 1), s) for n, s in GRIDS}
    save_file(times, out / "times.safetensors")

    noise = torch.randn(3, 4, 5, generator=torch.Generator("cpu").manual_seed(1234))
    trajectories = {"noise": noise}
    for steps, shift in [(1, 1.0), (6, 1.0), (9, 3.0)]:
        for kind in ["velocity", "epsilon"]:
            reference = euler(noise, kind, steps, shift)
            if kind == "velocity":
                theirs = euler_of_diffusers(noise, steps, shift)
                assert torch.allclose(theirs, reference, rtol=0, atol=2e-6), (theirs - reference).abs().max()
                reference = theirs
            trajectories[f"euler_{kind}_{steps}_{shift:g}"] = reference
            trajectories[f"heun_{kind}_{steps}_{shift:g}"] = heun(noise, kind, steps, shift)
    save_file(trajectories, out / "trajectories.safetensors")

    generator = torch.Generator().manual_seed(5)
    conditional = torch.randn(4, 6, 6, generator=generator) * 1.3 + 0.2
    unconditional = torch.randn(4, 6, 6, generator=generator)
    guided = {"conditional": conditional, "unconditional": unconditional}
    for scale in [1.5, 3.0, 7.5, -2.0]:
        for rescale in [0.0, 0.3, 0.7, 1.0]:
            v = unconditional + scale * (conditional - unconditional)
            guided[f"{scale:g}_{rescale:g}"] = rescale_noise_cfg(v[None], conditional[None], rescale)[0]
    save_file(guided, out / "guidance.safetensors")
