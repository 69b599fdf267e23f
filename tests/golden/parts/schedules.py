"""What diffusers' schedulers make of scheduler_config.json files: times, noise levels and trajectories, in float32.

data/schedules/<name>.json           the file
data/schedules/<name>.safetensors    "<sampler>/<steps>/times", "<sampler>/<steps>/sigmas" (not of ddim), and for some
                                     "<sampler>/<steps>/states", the latent after every step; ddim with eta has its own
                                     sampler's name, "ddim@<eta>"
data/schedules/flux_sizes.safetensors "<height>x<width>/<steps>/times" and "/sigmas" of FLUX.1 dev's Euler at latent sizes

A sampler is its class's from_config of the file. The names tell whose pipeline it is run as: flux* as FluxPipeline's (its
own levels, the timestep over 1000), all others as theirs. The network is a function that C++ computes too:
tanh(0.8 x + phase) with phase = 3 for the largest timestep, 0 for timestep 0. The noise and what eta adds are of the seed 7.
"""
import json

import numpy as np
import torch
from safetensors.torch import save_file

SHAPE = (3, 2, 4)  # not a multiple of 16, where torch.randn takes another path
STEPS = [1, 2, 4, 8, 20, 21, 50]
STATES = [1, 2, 8, 21]

LINEAR = dict(beta_start=0.0001, beta_end=0.02, beta_schedule="linear", num_train_timesteps=1000, trained_betas=None)
DDIM = dict(_class_name="DDIMScheduler", clip_sample=False, prediction_type="epsilon", set_alpha_to_one=True, steps_offset=0,
            **LINEAR)
DPM = dict(_class_name="DPMSolverMultistepScheduler", algorithm_type="dpmsolver++", dynamic_thresholding_ratio=0.995,
           euler_at_final=False, lambda_min_clipped=-float("inf"), lower_order_final=True, prediction_type="epsilon",
           sample_max_value=1.0, solver_order=2, solver_type="midpoint", steps_offset=0, thresholding=False,
           timestep_spacing="linspace", use_karras_sigmas=False, use_lu_lambdas=False, variance_type=None, **LINEAR)
FLOW = dict(_class_name="FlowMatchEulerDiscreteScheduler", num_train_timesteps=1000)
FLUX = dict(base_image_seq_len=256, base_shift=0.5, max_image_seq_len=4096, max_shift=1.15, **FLOW)

CONFIGS = {
    # As published: DiT-XL/2, PixArt-alpha, PixArt-Sigma, SD3, SD3.5 large turbo, FLUX.1.
    "dit": DDIM,
    "pixart_alpha": DPM,
    "pixart_sigma": dict(DPM, final_sigmas_type="zero", use_exponential_sigmas=False, use_beta_sigmas=False,
                         use_flow_sigmas=False, flow_shift=1.0, rescale_betas_zero_snr=False, clip_sample=False),
    "sd3": dict(FLOW, shift=3.0),
    "sd35_turbo": dict(FLUX, shift=3.0, use_dynamic_shifting=False, invert_sigmas=False, shift_terminal=None,
                       use_karras_sigmas=False),
    "flux_dev": dict(FLUX, shift=3.0, use_dynamic_shifting=True),
    "flux_schnell": dict(FLUX, shift=1.0, use_dynamic_shifting=False),
    # What else changes a result.
    "nothing_said_ddim": dict(_class_name="DDIMScheduler"),
    "nothing_said_heun": dict(_class_name="HeunDiscreteScheduler"),
    "nothing_said_flow": dict(_class_name="FlowMatchEulerDiscreteScheduler"),
    "ddim_offset_v": dict(DDIM, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=True,
                          clip_sample_range=0.9, set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
                          prediction_type="v_prediction"),
    "ddim_trailing": dict(DDIM, timestep_spacing="trailing", num_train_timesteps=999),
    "ddim_cosine": dict(DDIM, timestep_spacing="linspace", beta_schedule="squaredcos_cap_v2", set_alpha_to_one=False),
    "dpm_karras": dict(DPM, use_karras_sigmas=True),
    "dpm_karras_v": dict(DPM, use_karras_sigmas=True, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"),
    "dpm_clipped": dict(DPM, beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1),
    "dpm_clipped_trailing": dict(DPM, beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-2.0, timestep_spacing="trailing"),
    "dpm_leading_v": dict(DPM, timestep_spacing="leading", steps_offset=1, prediction_type="v_prediction"),
    "dpm_trailing": dict(DPM, timestep_spacing="trailing", solver_type="bh2", lower_order_final=False),
    "dpm_flow": dict(DPM, use_flow_sigmas=True, flow_shift=2.5, prediction_type="flow_prediction"),
    # Of DPM-Solver++'s other orders and of its stochastic form, that sampler alone.
    "dpm_order_1": dict(DPM, solver_order=1),
    "dpm_order_3": dict(DPM, solver_order=3),
    "dpm_order_3_karras": dict(DPM, solver_order=3, use_karras_sigmas=True),
    "dpm_order_3_flow": dict(DPM, solver_order=3, use_flow_sigmas=True, flow_shift=2.5, prediction_type="flow_prediction"),
    "dpm_sde": dict(DPM, algorithm_type="sde-dpmsolver++"),
    "dpm_sde_order_1": dict(DPM, algorithm_type="sde-dpmsolver++", solver_order=1),
    "dpm_sde_flow": dict(DPM, algorithm_type="sde-dpmsolver++", use_flow_sigmas=True, flow_shift=2.5,
                         prediction_type="flow_prediction"),
    "flow_heun": dict(_class_name="FlowMatchHeunDiscreteScheduler", shift=1.7, num_train_timesteps=500),
    "sd3_dynamic": dict(FLUX, shift=3.0, use_dynamic_shifting=True),
    "flux_linear": dict(FLUX, shift=3.0, use_dynamic_shifting=True, time_shift_type="linear", base_shift=0.4),
    "flux_shift": dict(FLOW, shift=1.73),
}


def dpm_solver(config):
    """The sampler that a file of DPMSolverMultistepScheduler is."""
    stochastic = config.get("algorithm_type", "dpmsolver++") == "sde-dpmsolver++"
    return f"dpmpp_{config.get('solver_order', 2)}m" + ("_sde" if stochastic else "")


def calculate_shift(tokens, config):
    slope = (config["max_shift"] - config["base_shift"]) / (config["max_image_seq_len"] - config["base_image_seq_len"])
    return tokens * slope + (config["base_shift"] - slope * config["base_image_seq_len"])


class Run:
    """One sampler on one file, set up as the family's pipeline does."""

    def __init__(self, name, config, sampler, steps, tokens):
        import diffusers

        self.flux = name.startswith("flux")
        own = config["_class_name"]
        flow = own.startswith("FlowMatch") or config.get("use_flow_sigmas", False)
        dynamic = config.get("use_dynamic_shifting", False)
        arguments = {"mu": calculate_shift(tokens, config)} if dynamic else {}
        if not flow:
            cls = {"euler": "EulerDiscrete", "heun": "HeunDiscrete", "ddim": "DDIM"}.get(sampler, "DPMSolverMultistep")
            self.scheduler = getattr(diffusers, cls + "Scheduler").from_config(config)
            self.scheduler.set_timesteps(steps)
        elif sampler.startswith("dpmpp"):
            shift = config.get("flow_shift", config.get("shift", 1.0))
            self.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(
                config, use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=shift)
            self.scheduler.set_timesteps(steps, **arguments)
        else:
            euler = diffusers.FlowMatchEulerDiscreteScheduler.from_config(
                config, shift=config.get("flow_shift", config.get("shift", 1.0)))
            if self.flux:
                euler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), **arguments)
            else:
                euler.set_timesteps(steps, **arguments)
            self.scheduler = euler
            if sampler == "heun":
                self.scheduler = diffusers.FlowMatchHeunDiscreteScheduler.from_config(config)
                self.scheduler.set_timesteps(steps)
                sigmas = torch.cat([euler.sigmas[:1], euler.sigmas[1:-1].repeat_interleave(2), euler.sigmas[-1:]])
                if not self.flux and not dynamic and "flow_shift" not in config:
                    assert torch.equal(self.scheduler.sigmas, sigmas)
                # It takes neither the pipeline's levels nor a dynamic shift: given Euler's.
                self.scheduler.sigmas = sigmas
                self.scheduler.timesteps = torch.cat([euler.timesteps[:1], euler.timesteps[1:].repeat_interleave(2)])
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(0)  # where two timesteps are one, the first would be skipped
        self.draws = sampler.endswith("_sde")
        self.train = config.get("num_train_timesteps", 1000)
        self.order = self.scheduler.order

    def time(self, t):
        return t.to(torch.float32) / 1000 if self.flux else t.to(torch.float32)

    def times(self):
        first = [0] + list(range(1, len(self.scheduler.timesteps), self.order))
        return self.time(self.scheduler.timesteps)[first]

    def sigmas(self):
        last = len(self.scheduler.sigmas) - 1
        return self.scheduler.sigmas[[0] + list(range(1, last, self.order)) + [last]].float()

    def states(self, eta):
        generator = torch.Generator("cpu").manual_seed(7)
        x = torch.randn(1, *SHAPE, generator=generator) * getattr(self.scheduler, "init_noise_sigma", 1.0)
        scale = 3 if self.flux else 3 / self.train
        arguments = {"eta": eta, "generator": generator} if eta else {"generator": generator} if self.draws else {}
        states = []
        for t in self.scheduler.timesteps:
            scaled = self.scheduler.scale_model_input(x, t) if hasattr(self.scheduler, "scale_model_input") else x
            prediction = torch.tanh(0.8 * scaled + self.time(t) * scale)
            x = self.scheduler.step(prediction, t, x, **arguments).prev_sample
            states.append(x[0])
        return torch.stack(states[::self.order] if self.order == 1 else states[1::2] + states[-1:])


def make(out, options):
    for name, config in CONFIGS.items():
        flow = config["_class_name"].startswith("FlowMatch") or config.get("use_flow_sigmas", False)
        samplers = ["euler", "heun", "dpmpp_2m"] + ([] if flow else ["ddim", "ddim@0.6", "ddim@1"])
        if config.get("time_shift_type") == "linear":
            samplers.remove("dpmpp_2m")
        own = dpm_solver(config)
        other = own != "dpmpp_2m"
        golden = {}
        for sampler in [own] if other else samplers:
            base, eta = (sampler.split("@") + ["0"])[:2]
            for steps in STATES if other else STEPS:
                run = Run(name, config, base, steps, (SHAPE[1] // 2) * (SHAPE[2] // 2))
                if eta == "0":
                    golden[f"{sampler}/{steps}/times"] = run.times()
                    if base != "ddim":
                        golden[f"{sampler}/{steps}/sigmas"] = run.sigmas()
                if steps in STATES:
                    golden[f"{sampler}/{steps}/states"] = run.states(float(eta)).float()
        (out / f"{name}.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file({k: v.contiguous() for k, v in golden.items()}, out / f"{name}.safetensors")

    sizes = {}
    for height, width in [(16, 16), (32, 32), (64, 96), (128, 128), (130, 66)]:
        for steps in [1, 4, 28, 50]:
            run = Run("flux_dev", CONFIGS["flux_dev"], "euler", steps, (height // 2) * (width // 2))
            sizes[f"{height}x{width}/{steps}/times"] = run.times()
            sizes[f"{height}x{width}/{steps}/sigmas"] = run.sigmas()
    save_file({k: v.contiguous() for k, v in sizes.items()}, out / "flux_sizes.safetensors")
