// The pictures that a task was made from. The server keeps them for a day.
import { batch } from "@preact/signals";
import { Refusal } from "../api/client";
import type { Task } from "../api/types";
import * as draft from "./draft";
import { pictureOfUpload, type Picture } from "./pictures";

const UPLOAD = /^file-[0-9a-f]{32}$/;
const GONE = 404;

export interface Input {
  /** Of the upload. */
  id: string;
  param: string;
}

/** Each picture once, the source first. Pictures at other servers are left out: the page loads nothing from there. */
export function inputsOf(task: Pick<Task, "params">): Input[] {
  const found = new Map<string, string>();
  const search = (param: string, value: unknown): void => {
    if (typeof value === "string") {
      if (UPLOAD.test(value) && !found.has(value)) found.set(value, param);
    } else if (value && typeof value === "object") {
      for (const [name, each] of Object.entries(value)) search(Array.isArray(value) ? param : name, each);
    }
  };
  search("url", task.params["url"]);
  search("", task.params);
  return [...found].map(([id, param]) => ({ id, param }));
}

/** Brings the pictures of a task back into the form. Where one is gone, that of the form stays. */
export async function recallPictures({ params }: Pick<Task, "params">): Promise<void> {
  const [source, mask] = await Promise.all([find(params["url"]), find(params["mask_url"])]);
  batch(() => {
    if (source) draft.source.value = source;
    if (source && mask) draft.mask.value = { of: source, blob: Promise.resolve(mask.blob) };
  });
  const units = (params["controls"] ?? []) as { type: string; data: Record<string, unknown> }[];
  if (units.length) draft.controls.value = await Promise.all(units.map(controlUnit));
  const prompt = params["ip_adapter"] as { url?: unknown; scale?: number } | null | undefined;
  const picture = await find(prompt?.url);
  if (picture) draft.imagePrompt.value = { picture, scale: prompt?.scale ?? 0.5 };
}

async function controlUnit({ type, data }: { type: string; data: Record<string, unknown> }): Promise<draft.ControlUnit> {
  return {
    type,
    picture: await find(data["hint_url"]),
    strength: Number(data["control_strength"] ?? 1),
    end: Number(data["hint_end"] ?? 1),
    isMap: Boolean(data["bypass_annotator"]),
  };
}

/** The upload that a param names; null if it names none, or one that is gone. */
async function find(value: unknown): Promise<Picture | null> {
  if (typeof value !== "string" || !UPLOAD.test(value)) return null;
  try {
    return await pictureOfUpload(value);
  } catch (error) {
    if (error instanceof Refusal && error.status === GONE) return null;
    throw error;
  }
}
