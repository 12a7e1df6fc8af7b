// The tasks that fit the filters of the gallery, found by the server, page by page.
import { effect, signal } from "@preact/signals";
import { ask } from "../api/client";
import type { TaskPage } from "../api/types";
import { guarded } from "./notice";
import { key } from "./session";
import { found, live } from "./tasks";

const PER_PAGE = 40;

export interface Filter {
  words: string;
  type: string;
  model: string;
  status: string;
  kept: boolean;
}

export const NO_FILTER: Filter = { words: "", type: "", model: "", status: "", kept: false };
export const filter = signal(NO_FILTER);
/** How many tasks fit; null until the server has answered. */
export const foundTotal = signal<number | null>(null);
export const finding = signal(false);

/** Whether anything is left out. Without filters the gallery shows all tasks, with those that are new. */
export const isFiltered = () => filter.value !== NO_FILTER && Object.values(filter.value).some(Boolean);

function query(page: number): string {
  const { words, type, model, status, kept } = filter.value;
  const all: Record<string, string> = { text: words.trim(), type, model, status, retention: kept ? "keep" : "" };
  const used = Object.entries(all).filter(([, value]) => value);
  return new URLSearchParams([...used, ["page", String(page)], ["per_page", String(PER_PAGE)]]).toString();
}

let searches = 0;
let pagesRead = 0;

/** Reads the next page. An answer to earlier filters is left aside. */
export async function findMore(): Promise<void> {
  if (finding.value || (foundTotal.value !== null && pagesRead * PER_PAGE >= foundTotal.value)) return;
  const search = searches;
  finding.value = true;
  try {
    const reply = await ask<TaskPage>("GET", `v1/tasks?${query(pagesRead + 1)}`);
    if (search !== searches) return;
    const known = new Set(found.value.map(({ task }) => task.id));
    found.value = [...found.value, ...reply.tasks.filter(({ id }) => !known.has(id)).map(live)];
    foundTotal.value = reply.total;
    pagesRead += 1;
  } finally {
    if (search === searches) finding.value = false;
  }
}

effect(() => {
  void [key.value, filter.value];
  searches += 1;
  pagesRead = 0;
  queueMicrotask(() => {
    found.value = [];
    foundTotal.value = null;
    finding.value = false;
    if (isFiltered()) void guarded(findMore);
  });
});
