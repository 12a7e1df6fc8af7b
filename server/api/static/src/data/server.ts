// What the server has: task types, models, and how busy it is.
import { computed, signal } from "@preact/signals";
import { ask, Refusal, UNREACHABLE } from "../api/client";
import type { Model, Overview, Pipeline } from "../api/types";
import { taskTitle } from "../i18n/server_words";
import { key } from "./session";

const OVERVIEW_PAUSE_MS = 2000;
const RETRY_PAUSE_MS = 2000;

export const models = signal<Model[]>([]);
export const pipelines = signal<Pipeline[]>([]);
export const overview = signal<Overview | null>(null);
/** Why the last look at the server failed: a status of HTTP, or UNREACHABLE; null if it did not fail. */
export const trouble = signal<number | null>(null);

export const usable = computed(() => models.value.filter((model) => !model.problem));
export const broken = computed(() => models.value.filter((model) => model.problem));
/** What paints. Upscalers and the like also come from packages, where there is nothing that paints. */
export const checkpoints = computed(() => usable.value.filter((model) => model.kind === "checkpoint"));
export const onlyToys = computed(() => checkpoints.value.length > 0 && checkpoints.value.every((model) => model.name.startsWith("toy")));

export function pipeline(name: string): Pipeline | undefined {
  return pipelines.value.find((each) => each.name === name);
}

/** The title of a task type, and its name. */
export function titleOfType(name: string): string {
  const title = pipeline(name)?.title;
  return title ? `${taskTitle(title)} (${name})` : name;
}

/** The models that a parameter `model` of this task type may name. */
export function modelsFor(type: string): Model[] {
  const families = pipeline(type)?.families ?? [];
  return usable.value.filter((model) => families.includes(model.family ?? ""));
}

export function modelsOfFamily(family: string): Model[] {
  return usable.value.filter((model) => model.family === family);
}

export function findModel(name: string | null | undefined): Model | undefined {
  if (!name) return usable.value.find((model) => model.default);
  return usable.value.find((model) => model.name === name || (model.aliases ?? []).includes(name));
}

export async function loadModels(): Promise<void> {
  const found: Model[] = [];
  for (let page = 1; ; page++) {
    const reply = await ask<{ data: Model[]; total?: number }>("GET", `v1/models?page=${page}&per_page=200`);
    found.push(...reply.data);
    if (reply.data.length === 0 || found.length >= (reply.total ?? 0)) break;
  }
  models.value = found;
}

async function loadAll(): Promise<void> {
  pipelines.value = await ask<Pipeline[]>("GET", "v1/pipelines");
  await loadModels();
}

/** Loads something that the page needs, again and again until the server answers. Ends when another key is needed. */
export async function untilThere(load: () => Promise<void>): Promise<void> {
  const used = key.value;
  while (used === key.value) {
    try {
      await load();
      return;
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) return;
      await pause(RETRY_PAUSE_MS);
    }
  }
}

export async function watchOverview(): Promise<void> {
  for (;;) {
    if (!document.hidden) await lookAtServer();
    await pause(OVERVIEW_PAUSE_MS);
  }
}

async function lookAtServer(): Promise<void> {
  try {
    overview.value = await ask<Overview>("GET", "v1/overview");
    trouble.value = null;
  } catch (error) {
    const status = error instanceof Refusal ? error.status : UNREACHABLE;
    trouble.value = status === 401 ? null : status;
  }
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

key.subscribe(() => {
  void untilThere(loadAll);
});

// Models may have come while the page was not looked at.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && pipelines.value.length) void loadModels().catch(() => undefined);
});
