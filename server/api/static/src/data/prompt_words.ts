// What prompts of this server may name: the operator's styles and wildcards.
import { signal } from "@preact/signals";
import { ask } from "../api/client";
import type { Style, Wildcard } from "../api/types";
import * as draft from "./draft";
import { untilThere } from "./server";
import { key } from "./session";

export const styles = signal<Style[]>([]);
export const wildcards = signal<Wildcard[]>([]);

async function load(): Promise<void> {
  [styles.value, wildcards.value] = await Promise.all([ask<Style[]>("GET", "v1/styles"), ask<Wildcard[]>("GET", "v1/wildcards")]);
}

key.subscribe(() => void untilThere(load));

/** The ids of the chosen styles, in the order in which they are applied. */
export function chosenStyles(): string[] {
  return (draft.values.value["styles"] ?? []) as string[];
}

export function toggleStyle(id: string): void {
  const chosen = chosenStyles();
  const others = chosen.filter((each) => each !== id);
  const next = others.length < chosen.length ? others : [...chosen, id];
  draft.set("styles", next.length ? next : undefined);
}
