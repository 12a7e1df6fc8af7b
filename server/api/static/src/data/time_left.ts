// About how long a task will take: from its own steps while it runs, from the last tasks before.
import { effect } from "@preact/signals";
import type { Task } from "../api/types";
import { overview } from "./server";
import { tasks, type LiveTask } from "./tasks";

const LAST_TASKS = 20;

/** When this page saw a task at a step for the first time. */
interface Seen {
  step: number;
  at: number;
}

const firstSeen = new Map<string, Seen>();

effect(() => {
  for (const { task, step, steps } of tasks.value) {
    if (task.status !== "running") firstSeen.delete(task.id);
    else if (steps && !firstSeen.has(task.id)) firstSeen.set(task.id, { step, at: Date.now() });
  }
});

/** In seconds; null if nothing tells it. */
export function secondsLeft(live: LiveTask): number | null {
  if (live.task.status === "running") return ofSteps(live);
  if (live.task.status !== "queued" || live.reason) return null;
  const mean = meanSeconds(live.task);
  if (mean === null) return null;
  const slots = (overview.value?.workers ?? []).reduce((sum, worker) => sum + worker.running + worker.room, 0);
  return mean * (Math.max(1, live.position ?? 1) / Math.max(1, slots) + 1);
}

function ofSteps(live: LiveTask): number | null {
  const first = firstSeen.get(live.task.id);
  if (!first || live.step <= first.step) return null;
  return ((Date.now() - first.at) / 1000 / (live.step - first.step)) * (live.steps - live.step);
}

/** The mean of the last tasks: of those of the same type, if there are any. */
function meanSeconds(task: Task): number | null {
  const ended = tasks.value.map((live) => live.task).filter((each) => each.status === "succeeded" && each.started_at && each.finished_at);
  const alike = ended.filter((each) => each.type === task.type);
  const seconds = (alike.length ? alike : ended).slice(0, LAST_TASKS).map((each) => (Date.parse(each.finished_at!) - Date.parse(each.started_at!)) / 1000);
  return seconds.length ? seconds.reduce((sum, each) => sum + each, 0) / seconds.length : null;
}
