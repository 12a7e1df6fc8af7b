// Keeps the tasks that have not ended as they are on the server.
import { effect } from "@preact/signals";
import { ask, follow, Refusal } from "../api/client";
import type { Task } from "../api/types";
import { pause } from "./server";
import { key, needsKey } from "./session";
import { change, GONE, hasEnded, inOrder, justChanged, live, readUnfinished, tasks, unfinished, type LiveTask } from "./tasks";

/** A browser opens six connections to a server, for all its tabs together; some must stay free for requests. */
const MOST_STREAMS = 2;
const PAUSE_MS = 1000;
const HIDDEN_PAUSE_MS = 5000;
/** How many tasks that are in no list any more are asked for at a time. */
const MOST_LOOKS = 4;

const streams = new Map<string, AbortController>();
/** Tasks whose stream broke a moment ago. */
const resting = new Set<string>();
/** Tasks that the server does not have. */
const gone = new Set<string>();
let isFollowing = false;

effect(() => {
  if (unfinished.value.length === 0) return;
  openStreams();
  void followAll();
});

// A hidden tab leaves its connections to the others.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) closeStreams();
  else openStreams();
});

key.subscribe(closeStreams);

function closeStreams(): void {
  for (const stream of streams.values()) stream.abort();
}

/** The tasks that run, or are next to run, get the streams; only these have previews. */
function openStreams(): void {
  if (document.hidden || needsKey.value) return;
  const first = followed().slice(0, MOST_STREAMS).map(({ task }) => task.id);
  const opening = first.filter((id) => !streams.has(id) && !resting.has(id));
  if (opening.length === 0) return;
  for (const [id, stream] of streams) if (!first.includes(id)) stream.abort();
  for (const id of opening) void stream(id);
}

function followed(): LiveTask[] {
  return inOrder.value.filter(({ task }) => !gone.has(task.id));
}

/** Reads the tasks that have no stream, again and again. */
async function followAll(): Promise<void> {
  if (isFollowing) return;
  isFollowing = true;
  while (followed().length > 0) {
    const silent = followed().map(({ task }) => task.id).filter((id) => !streams.has(id) && !resting.has(id));
    if (silent.length > 0 && !needsKey.value) await look(silent);
    await pause(document.hidden ? HIDDEN_PAUSE_MS : PAUSE_MS);
    openStreams();
  }
  isFollowing = false;
}

async function look(ids: string[]): Promise<void> {
  try {
    const read = new Map((await readUnfinished()).map((task) => [task.id, task]));
    for (const id of ids) update(read.get(id));
    await Promise.all(ids.filter((id) => !read.has(id)).slice(0, MOST_LOOKS).map(lookAtOne));
  } catch {
    for (const id of ids) change(id, { offline: true });
  }
}

async function lookAtOne(id: string): Promise<void> {
  try {
    const task = await ask<Task>("GET", `v1/tasks/${id}`);
    if (hasEnded(task)) end(task);
    else update(task);
  } catch (error) {
    if (!(error instanceof Refusal && GONE.includes(error.status))) throw error;
    gone.add(id);
  }
}

/** Takes over what was read, unless the task has ended meanwhile. */
function update(task: Task | undefined): void {
  const known = unfinished.value.find((each) => each.task.id === task?.id);
  if (task && known) change(task.id, { ...live(task), preview: known.preview });
}

function end(task: Task): void {
  change(task.id, live(task));
  justChanged.value = task;
}

/** Follows the events of a task. If the stream breaks, the task rests for a moment before it gets another. */
async function stream(id: string): Promise<void> {
  const controller = new AbortController();
  streams.set(id, controller);
  try {
    for await (const { event, data } of follow(`v1/tasks/${id}/events`, controller.signal)) {
      if (isEnd(event)) return end(data as Task);
      take(id, event, data as Record<string, unknown>);
    }
  } catch (error) {
    if (error instanceof Refusal && GONE.includes(error.status)) gone.add(id);
    else if (!controller.signal.aborted) change(id, { offline: true });
  } finally {
    streams.delete(id);
    if (!controller.signal.aborted) void rest(id);
  }
}

async function rest(id: string): Promise<void> {
  resting.add(id);
  await pause(PAUSE_MS);
  resting.delete(id);
}

function isEnd(event: string): boolean {
  return hasEnded({ status: event } as Task);
}

function take(id: string, event: string, data: Record<string, unknown>): void {
  const known = tasks.value.find(({ task }) => task.id === id);
  if (!known) return;
  const state = { ...known.task, status: event === "queued" ? ("queued" as const) : ("running" as const) };
  if (event === "queued") {
    change(id, { task: state, position: data["position"] as number | null, reason: (data["reason"] as string) ?? "", offline: false });
  } else if (event === "running") change(id, { task: state, offline: false });
  else if (event === "progress") {
    change(id, { task: state, step: data["step"] as number, steps: data["steps"] as number, offline: false });
  } else if (event === "preview") change(id, { preview: `data:image/jpeg;base64,${data["jpeg"] as string}` });
}
