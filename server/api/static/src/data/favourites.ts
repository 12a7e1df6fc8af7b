// Pictures that the person has marked; the marks stay on this device.
import { computed } from "@preact/signals";
import type { Task } from "../api/types";
import { kept } from "./session";

const MOST = 5000;

/** TASK/INDEX of each picture, the newest last. */
const marked = kept<string[]>("favourites", []);
const places = computed(() => new Set(marked.value));

const placeOf = (task: Task, index: number) => `${task.id}/${index}`;

export function isFavourite(task: Task, index: number): boolean {
  return places.value.has(placeOf(task, index));
}

export function hasFavourite(task: Task): boolean {
  return (task.images ?? []).some((_, index) => isFavourite(task, index));
}

export function toggleFavourite(task: Task, index: number): void {
  const changed = placeOf(task, index);
  const others = marked.value.filter((each) => each !== changed);
  marked.value = isFavourite(task, index) ? others : [...others, changed].slice(-MOST);
}
