// A grid of pictures in which two settings vary: which values, the tasks, and their places.
import * as draft from "./draft";
import { findModel } from "./server";
import { kept } from "./session";
import { loadTasks, submit, tasks } from "./tasks";

/** One direction of the grid: a setting and its values; a direction without a setting has one value. */
export interface Axis {
  setting: string;
  values: readonly string[];
}

export interface Grid {
  across: Axis;
  down: Axis;
  /** The ids of tasks by row and column; empty where none was submitted. */
  ids: readonly (readonly string[])[];
}

export const MOST_CELLS = 64;
const MOST_SEED = 2 ** 32;
const NOTHING: Axis = { setting: "", values: [""] };

/** The axes as they are typed: `values` has commas, or is FROM-TO for whole numbers. */
export const typed = kept("grid-form", { across: { setting: "num_steps", values: "10, 20, 30" }, down: { setting: "", values: "" } });
/** It stays on this device, so that it is there again when the page is loaded again. */
export const shownGrid = kept<Grid | null>("grid", null);

/** Reads the tasks of the grid that the list does not have. A grid of another key, or whose tasks are gone, is closed. */
export async function loadGrid(): Promise<void> {
  const ids = shownGrid.value?.ids.flat().filter(Boolean) ?? [];
  if (ids.length === 0) return;
  await loadTasks(ids);
  if (!tasks.value.some(({ task }) => ids.includes(task.id))) shownGrid.value = null;
}

export function axisOf(side: { setting: string; values: string }): Axis {
  if (!side.setting) return NOTHING;
  const values = side.values.split(/[,，\n]/).map((value) => value.trim()).filter(Boolean).flatMap((value) => (isNumber(side.setting) ? range(value) : [value]));
  return { setting: side.setting, values };
}

/** `5-8` is 5, 6, 7, 8. */
function range(value: string): string[] {
  const [, first, last] = /^(\d+)\s*[-–]\s*(\d+)$/.exec(value) ?? [];
  if (first === undefined || last === undefined || Number(last) < Number(first)) return [value];
  const count = Math.min(Number(last) - Number(first) + 1, MOST_CELLS + 1);
  return Array.from({ length: count }, (_, place) => String(Number(first) + place));
}

export function isNumber(setting: string): boolean {
  return !["sampler", "model"].includes(setting);
}

/** Submits a task for each cell. All have the same seed, so that only the two settings make a difference. */
export async function paintGrid(): Promise<void> {
  const across = axisOf(typed.value.across);
  const down = axisOf(typed.value.down);
  const ids = down.values.map(() => across.values.map(() => ""));
  const { type, params } = await draft.request();
  const seed = Number(params["seed"] ?? -1);
  const common = { ...params, num_samples: 1, seed: seed >= 0 ? seed : Math.floor(Math.random() * MOST_SEED) };
  for (const [row, below] of down.values.entries()) {
    for (const [column, beside] of across.values.entries()) {
      const task = await submit(type, changed(changed(common, down.setting, below), across.setting, beside));
      ids[row]![column] = task.id;
      shownGrid.value = { across, down, ids: ids.map((each) => [...each]) };
    }
  }
}

function changed(params: Record<string, unknown>, setting: string, written: string): Record<string, unknown> {
  if (!setting) return params;
  const value = isNumber(setting) ? Number(written) : written;
  if (setting === "denoising") return { ...params, fidelity: Math.min(0.99, Math.round((1 - Number(value)) * 100) / 100) };
  if (setting.startsWith("lora:")) {
    const scales = (params["lora_scales"] ?? {}) as Record<string, number>;
    return { ...params, lora_scales: { ...scales, [setting.slice("lora:".length)]: value } };
  }
  return { ...params, [setting]: setting === "model" ? (findModel(written)?.name ?? written) : value };
}
