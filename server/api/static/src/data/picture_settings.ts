// The settings that a picture's file holds, as Hua and A1111's web UI write them: read by the server, put into the draft here.
import { batch, signal } from "@preact/signals";
import { ask } from "../api/client";
import * as draft from "./draft";
import { findModel, modelsOfFamily } from "./server";

/** Settings by the names of the infotext. */
export type Settings = Record<string, string>;

/** A picture that holds settings: the person chooses what to use it for. */
export const offered = signal<{ file: File; settings: Settings } | null>(null);

const MOST_BYTES = 32e6;
const NUMBERS: Record<string, string> = {
  "Steps": "num_steps",
  "CFG scale": "guidance_scale",
  "Seed": "seed",
  "Size-1": "w",
  "Size-2": "h",
  "Variation seed": "variation_seed",
  "Variation seed strength": "variation_strength",
};
/** What the sampler does with a schedule that its own name does not tell. */
const SCHEDULES: Record<string, Record<string, string>> = {
  "Karras": { sigmas: "karras" },
  "Exponential": { sigmas: "exponential" },
  "Polyexponential": { sigmas: "exponential" },
  "Beta": { sigmas: "beta" },
  "Lu": { sigmas: "lu" },
  "SGM Uniform": { timestep_spacing: "trailing" },
  "Simple": { timestep_spacing: "trailing" },
  "Normal": { timestep_spacing: "linspace" },
  "DDIM": { timestep_spacing: "leading" },
};

/** The settings in the file; null if it holds none. */
export async function settingsOf(file: Blob): Promise<Settings | null> {
  if (file.size > MOST_BYTES) return null;
  const { parameters } = await ask<{ parameters: Settings }>("POST", "sdapi/v1/png-info", { image: await base64(file) });
  return Object.keys(parameters).length > 0 ? parameters : null;
}

/** Fills the form. A model that is not here is left out. */
export function useSettings(settings: Settings): void {
  batch(() => {
    if (!draft.takes("text")) draft.mode.value = "text";
    draft.values.value = paramsOf(settings);
  });
}

function paramsOf(settings: Settings): Record<string, unknown> {
  const params: Record<string, unknown> = { text: settings["Prompt"] ?? "" };
  if (settings["Negative prompt"]) params["negative_prompt"] = settings["Negative prompt"];
  for (const [name, param] of Object.entries(NUMBERS)) {
    const value = Number(settings[name] ?? NaN);
    if (!Number.isNaN(value)) params[param] = value;
  }
  if (settings["Sampler"]) Object.assign(params, { sampler: settings["Sampler"] }, SCHEDULES[settings["Schedule type"] ?? ""]);
  if (settings["Clip skip"]) params["clip_skip"] = Math.max(0, Number(settings["Clip skip"]) - 1);
  if (settings["Tiling"] === "True") params["use_circular"] = true;
  const model = findModel(settings["Model"]);
  if (settings["Model"] && model) params["model"] = model.name;
  const fidelity = settings["Denoising strength"] ? Math.round((1 - Number(settings["Denoising strength"])) * 100) / 100 : undefined;
  const second = secondPass(settings, fidelity);
  if (second) params["highres_info"] = second;
  else if (fidelity !== undefined) params["fidelity"] = fidelity;
  return params;
}

function secondPass(settings: Settings, fidelity: number | undefined): Record<string, unknown> | null {
  const width = Number(settings["Size-1"] ?? 0);
  const height = Number(settings["Size-2"] ?? 0);
  const factor = Number(settings["Hires upscale"] ?? 0) || Number(settings["Hires resize-1"] ?? 0) / (width || 1);
  if (!factor) return null;
  const upscaler = modelsOfFamily("upscaler").find((model) => model.name === settings["Hires upscaler"]);
  return {
    upscale_factor: factor,
    max_wh: Math.max(1024, Math.ceil(Math.max(width, height) * factor)),
    ...(fidelity === undefined ? {} : { fidelity }),
    ...(upscaler ? { upscaler: upscaler.name } : {}),
    ...(settings["Hires steps"] ? { num_steps: Number(settings["Hires steps"]) } : {}),
  };
}

function base64(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error ?? new Error(""));
    reader.readAsDataURL(file);
  });
}
