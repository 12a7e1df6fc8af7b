// Pictures that are kept without end, and how much room is left for them.
import { signal } from "@preact/signals";
import { ask, Refusal } from "../api/client";
import type { Kept, Task } from "../api/types";
import { guarded } from "./notice";
import { key } from "./session";
import { changeRetention, retention } from "./tasks";

/** Where this page marked favourites before the server kept pictures: TASK/INDEX of each. */
const OLD_FAVOURITES = "hua-favourites";
/** For how long pictures stay that are no longer kept, if new ones are. */
const USUAL = "24h";
const GONE: readonly number[] = [404, 410];

export const keptUse = signal<Kept | null>(null);

export function isKept(task: Task): boolean {
  return task.retention === "keep" && !task.images_deleted_at;
}

export async function loadUse(): Promise<void> {
  keptUse.value = await ask<Kept>("GET", "v1/kept");
}

export async function toggleKept(task: Task): Promise<void> {
  const other = retention.value === "keep" ? USUAL : retention.value;
  await changeRetention(task.id, isKept(task) ? other : "keep");
  await loadUse();
}

/** Keeps the pictures that were favourites on this device. Those without room stay marked, for the next time. */
async function carryOver(): Promise<void> {
  const marked = JSON.parse(localStorage.getItem(OLD_FAVOURITES) ?? "[]") as string[];
  const left = new Set(marked.map((place) => place.split("/")[0]!));
  const store = () => (left.size ? localStorage.setItem(OLD_FAVOURITES, JSON.stringify([...left])) : localStorage.removeItem(OLD_FAVOURITES));
  for (const id of left) {
    try {
      await changeRetention(id, "keep");
    } catch (error) {
      if (!(error instanceof Refusal && GONE.includes(error.status))) throw error;
    }
    left.delete(id);
    store();
  }
  store();
}

/** What the gallery needs when it is opened. */
export async function openKept(): Promise<void> {
  if (localStorage.getItem(OLD_FAVOURITES) !== null) await guarded(carryOver);
  await guarded(loadUse);
}

key.subscribe(() => (keptUse.value = null));
