// The settings that a picture's file holds, as Hua, A1111's web UI and ComfyUI write them: read by the server, put into the draft here.
import { signal } from "@preact/signals";
import { ask, Refusal } from "../api/client";
import type { Infotext } from "../api/types";
import * as draft from "./draft";

/** A picture that holds settings: the person chooses what to use it for. */
export const offered = signal<{ file: File; settings: Infotext } | null>(null);

const UNREADABLE = 422;

/** The settings in the file; null if it holds none. */
export async function settingsOf(file: Blob): Promise<Infotext | null> {
  try {
    return await ask<Infotext>("POST", "v1/infotext", file);
  } catch (error) {
    if (error instanceof Refusal && error.status === UNREADABLE) return null;
    throw error;
  }
}

/** Fills the form. */
export function useSettings(settings: Infotext): void {
  draft.recall({ type: settings.type, params: settings.params, original_prompts: {} });
}
