// What the person is about to paint. Values stay when the mode changes, so nothing typed is lost.
import { computed, signal } from "@preact/signals";
import type { Model, Schema, Task } from "../api/types";
import { pictureParam, uploaded, type Mask, type Picture } from "./pictures";
import { findModel, modelsFor, pipeline } from "./server";

/** What to do: each mode is one task type, but `other`, where any can be chosen. */
export const MODES = {
  text: "txt2img.sd",
  image: "img2img.sd",
  inpaint: "txt2img.sd.inpainting",
  erase: "img2img.inpainting",
  extend: "txt2img.sd.outpainting",
  control: "control_new.multi",
  enlarge: "img2img.sr",
  other: "",
} as const;
export type Mode = keyof typeof MODES;
export const MASKED: readonly Mode[] = ["inpaint", "erase"];

export interface ControlUnit {
  type: string;
  picture: Picture | null;
  strength: number;
  end: number;
  isMap: boolean;
}

/** Pixels that are added at each side. */
export interface Margins {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const USUAL_SIDE = 512;
/** Pixels around a mask in which old and new mix. */
export const USUAL_FADE = 8;
const NO_MARGINS: Margins = { left: 0, right: 0, top: 0, bottom: 0 };

export const mode = signal<Mode>("text");
/** The task type of the mode `other`. */
export const otherType = signal("img2img.sod");
/** Params by name. A param that is not here has the server's default. */
export const values = signal<Record<string, unknown>>({});
/** The picture of `url`. */
export const source = signal<Picture | null>(null);
export const mask = signal<Mask | null>(null);
export const margins = signal<Margins>(NO_MARGINS);
export const controls = signal<ControlUnit[]>([]);
/** The picture that acts as a prompt (IP-Adapter). */
export const imagePrompt = signal<{ picture: Picture; scale: number } | null>(null);
/** Further pictures of the mode `other`, by param. */
export const pictures = signal<Record<string, Picture>>({});

export const taskType = computed(() => MODES[mode.value] || otherType.value);
export const properties = computed<Record<string, Schema>>(
  () => ((pipeline(taskType.value)?.params ?? {}) as Schema).properties ?? {},
);

export function takes(name: string): boolean {
  return name in properties.value;
}

/** What the server says about a param. */
export function described(name: string): string | undefined {
  return properties.value[name]?.description;
}

export function set(name: string, value: unknown): void {
  const { [name]: _, ...others } = values.value;
  values.value = value === undefined || value === "" ? others : { ...others, [name]: value };
}

export function text(name: string): string {
  return String(values.value[name] ?? "");
}

export function number(name: string, usual: number): number {
  const value = values.value[name];
  return typeof value === "number" ? value : usual;
}

/** The model that the server takes where a task names none; undefined if that is not known. */
const usualModel = computed(() => findModel(properties.value["model"]?.default as string | undefined) ?? findModel(""));

/** The model that the task will use: the chosen one, if it can do such tasks. */
export const model = computed<Model | undefined>(() => {
  const fitting = modelsFor(taskType.value);
  const chosen = findModel(text("model"));
  if (text("model") && chosen && fitting.includes(chosen)) return chosen;
  return fitting.find((each) => each === usualModel.value) ?? fitting[0];
});

/** The size of the image that will come. */
export const size = computed(() => {
  const side = model.value?.side ?? USUAL_SIDE;
  return { w: number("w", side), h: number("h", side) };
});

/** What keeps the task from being sent: the name of a sentence in the catalogue; empty if nothing does. */
export const missing = computed(() => {
  const required = ((pipeline(taskType.value)?.params ?? {}) as Schema).required ?? [];
  if (required.includes("text") && !text("text").trim()) return "missingText" as const;
  if (required.includes("url") && !source.value) return "missingSource" as const;
  if (required.includes("mask_url") && !mask.value && !pictures.value["mask_url"]) return "missingMask" as const;
  if (mode.value === "extend" && Object.values(margins.value).every((pixels) => pixels === 0)) return "missingMargins" as const;
  if (mode.value === "control" && !controls.value.some((unit) => unit.picture)) return "missingControl" as const;
  return "" as const;
});

/** The task to submit. Pictures are uploaded first. */
export async function request(): Promise<{ type: string; params: Record<string, unknown> }> {
  const params: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values.value)) if (takes(name)) params[name] = value;
  if (takes("model") && model.value && (params["model"] !== undefined || model.value !== usualModel.value)) params["model"] = model.value.name;
  if (source.value && takes("url")) params["url"] = await pictureParam(source.value);
  if (mask.value && takes("mask_url") && MASKED.includes(mode.value)) params["mask_url"] = await uploaded(await mask.value.blob);
  for (const [name, picture] of Object.entries(pictures.value)) if (takes(name)) params[name] = await pictureParam(picture);
  if (takes("w") && takes("text")) Object.assign(params, size.value, longest(size.value.w, size.value.h));
  if (takes("keep_original") && mode.value !== "other") {
    params["keep_original"] ??= true;
    params["keep_original_num_fade_pixels"] ??= USUAL_FADE;
  }
  if (mode.value === "extend") Object.assign(params, margins.value);
  if (mode.value === "control") params["controls"] = await Promise.all(controls.value.filter((unit) => unit.picture).map(controlParam));
  if (imagePrompt.value && takes("ip_adapter")) {
    params["ip_adapter"] = { url: await pictureParam(imagePrompt.value.picture), scale: imagePrompt.value.scale };
  }
  return { type: taskType.value, params };
}

function longest(w: number, h: number): Record<string, number> {
  return Math.max(w, h) > 1024 ? { max_wh: Math.max(w, h) } : {};
}

async function controlParam(unit: ControlUnit): Promise<Record<string, unknown>> {
  const data = { hint_url: await pictureParam(unit.picture!), control_strength: unit.strength, hint_end: unit.end, bypass_annotator: unit.isMap };
  return { type: unit.type, data };
}

const PICTURE_PARAMS = ["url", "mask_url", "controls", "ip_adapter", "style_reference", "callback_url"];

/** Params for which this page sends values of its own where the form has none. */
const SENT_ALWAYS = ["text", "keep_original", "keep_original_num_fade_pixels"];

/** Fills the form with the params of a task. Its input pictures may be gone, so those that are shown stay. */
export function recall(task: Pick<Task, "type" | "params" | "original_prompts">): void {
  const known = (Object.keys(MODES) as Mode[]).find((each) => MODES[each] === task.type);
  mode.value = known ?? "other";
  if (!known) otherType.value = task.type;
  const usual = properties.value;
  const set: Record<string, unknown> = {};
  for (const [name, value] of Object.entries({ ...task.params, ...sentPrompts(task) })) {
    if (value === null || PICTURE_PARAMS.includes(name) || !(name in usual)) continue;
    if (!SENT_ALWAYS.includes(name) && JSON.stringify(value) === JSON.stringify(usual[name]?.default)) continue;
    set[name] = value;
  }
  values.value = set;
  const sides = ["left", "right", "top", "bottom"] as const;
  margins.value = Object.fromEntries(sides.map((side) => [side, Number(task.params[side] ?? 0)])) as unknown as Margins;
}

/** The words as the person wrote them, where others were painted. */
function sentPrompts(task: Pick<Task, "original_prompts">): Record<string, string> {
  return Object.fromEntries(Object.entries(task.original_prompts ?? {}).filter(([path]) => !path.includes(".")));
}
