// The tasks of the caller: a list that grows page by page.
import { computed, signal } from "@preact/signals";
import { ask, Refusal } from "../api/client";
import type { Task, TaskPage } from "../api/types";
import { untilThere } from "./server";
import { kept, key } from "./session";

const PER_PAGE = 40;
const MOST_PER_PAGE = 100;
/** A task of another key, or one whose record is gone. */
export const GONE: readonly number[] = [404, 410];
const ENDED: readonly string[] = ["succeeded", "failed", "canceled"];

export const RETENTIONS = ["24h", "7d", "30d", "keep"] as const;
export type Retention = (typeof RETENTIONS)[number];
/** For how long pictures stay on the server. */
export const retention = kept<Retention>("retention", "24h");

/** A task, and what its events have told since it was read. */
export interface LiveTask {
  task: Task;
  step: number;
  steps: number;
  position: number | null;
  reason: string;
  preview: string;
  /** Whether the connection to its events is broken. */
  offline: boolean;
}

export const tasks = signal<LiveTask[]>([]);
/** How many tasks the server has in all; null until it was asked. */
export const total = signal<number | null>(null);
export const loading = signal(false);
/** The tasks that fit the filters of the gallery; `filtered.ts` reads them. */
export const found = signal<LiveTask[]>([]);
/** The task that was submitted last, or has ended last: what a screen reader is told about. */
export const justChanged = signal<Task | null>(null);
export const unfinished = computed(() => tasks.value.filter(({ task }) => !hasEnded(task)));

/** Tasks that have not ended, in the order in which they started or will start. */
export const inOrder = computed(() => [...unfinished.value].reverse().sort((one, other) => place(one) - place(other)));

function place({ task, position }: LiveTask): number {
  return task.status === "running" ? 0 : (position ?? Infinity);
}

export function hasEnded(task: Task): boolean {
  return ENDED.includes(task.status);
}

export function live(task: Task): LiveTask {
  const progress = task.progress;
  return {
    task,
    step: progress?.step ?? 0,
    steps: progress?.steps ?? 0,
    position: task.position ?? null,
    reason: task.reason ?? "",
    preview: "",
    offline: false,
  };
}

export function change(id: string, changes: Partial<LiveTask>): void {
  for (const list of [tasks, found]) {
    if (list.value.some(({ task }) => task.id === id)) list.value = list.value.map((each) => (each.task.id === id ? { ...each, ...changes } : each));
  }
}

/** How many of the newest tasks are known without a gap. Older ones may be known too: of a grid, or in the queue. */
let listed = 0;

function add(found: Task[]): void {
  const known = new Set(tasks.value.map(({ task }) => task.id));
  const added = found.filter((task) => !known.has(task.id)).map(live);
  const age = ({ task }: LiveTask) => Date.parse(task.created_at);
  tasks.value = [...added, ...tasks.value].sort((one, other) => age(other) - age(one));
}

export async function loadMore(): Promise<void> {
  if (loading.value || (total.value !== null && listed >= total.value)) return;
  loading.value = true;
  try {
    const page = Math.floor(listed / PER_PAGE) + 1;
    const used = key.value;
    const reply = await ask<TaskPage>("GET", `v1/tasks?page=${page}&per_page=${PER_PAGE}`);
    if (used !== key.value) return;
    total.value = reply.total;
    listed = (page - 1) * PER_PAGE + reply.tasks.length;
    add(reply.tasks);
  } finally {
    loading.value = false;
  }
}

export function submit(type: string, params: Record<string, unknown>): Promise<Task> {
  return send("v1/tasks", { type, params });
}

export function submitTool(id: string, values: Record<string, unknown>): Promise<Task> {
  return send(`v1/tools/${id}`, { values });
}

async function send(path: string, body: Record<string, unknown>): Promise<Task> {
  const task = await ask<Task>("POST", path, { ...body, retention: retention.value });
  add([task]);
  justChanged.value = task;
  listed += 1;
  if (total.value !== null) total.value += 1;
  return task;
}

export async function cancel(id: string): Promise<void> {
  const task = await ask<Task>("DELETE", `v1/tasks/${id}`);
  change(id, { task });
}

/** Deletes the pictures of an ended task at once; the task stays. */
export async function deletePictures(id: string): Promise<void> {
  const task = await ask<Task>("DELETE", `v1/tasks/${id}/images`);
  change(id, { task });
}

/** Changes for how long the pictures of an ended task stay. */
export async function changeRetention(id: string, retention: Retention): Promise<void> {
  const task = await ask<Task>("PUT", `v1/tasks/${id}/retention`, { retention });
  change(id, { task });
}

/** Reads all tasks that have not ended; some may be too old for the list. One that starts meanwhile is found at the end. */
export async function readUnfinished(): Promise<Task[]> {
  const read: Task[] = [];
  for (const status of ["queued", "running"]) {
    for (let page = 1, more = true; more; page++) {
      const reply = await ask<TaskPage>("GET", `v1/tasks?status=${status}&page=${page}&per_page=${MOST_PER_PAGE}`);
      read.push(...reply.tasks);
      more = page * MOST_PER_PAGE < reply.total;
    }
  }
  return read;
}

export async function loadUnfinished(): Promise<void> {
  add(await readUnfinished());
}

/** Reads tasks by their ids. Those that the server does not have any more are left out. */
export async function loadTasks(ids: readonly string[]): Promise<void> {
  const known = new Set(tasks.value.map(({ task }) => task.id));
  const read = (id: string) =>
    ask<Task>("GET", `v1/tasks/${id}`).catch((error: unknown) => {
      if (error instanceof Refusal && GONE.includes(error.status)) return null;
      throw error;
    });
  const found = await Promise.all(ids.filter((id) => !known.has(id)).map(read));
  add(found.filter((task) => task !== null));
}

export async function changePriority(id: string, priority: Task["priority"]): Promise<void> {
  const task = await ask<Task>("PUT", `v1/tasks/${id}/priority`, { priority });
  change(id, live(task));
}

export async function cancelAll(): Promise<void> {
  await loadUnfinished();
  await Promise.allSettled(unfinished.value.map(({ task }) => cancel(task.id)));
}

key.subscribe(() => {
  tasks.value = [];
  listed = 0;
  total.value = null;
  loading.value = false;
  void untilThere(loadMore);
});
