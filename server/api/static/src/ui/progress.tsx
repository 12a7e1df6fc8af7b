// How far a task is, in words and as a bar.
import type { LiveTask } from "../data/tasks";
import { cancel, hasEnded } from "../data/tasks";
import { guarded } from "../data/notice";
import { secondsLeft } from "../data/time_left";
import { t } from "../i18n";
import { errorWords } from "../i18n/server_words";

export function state(live: LiveTask): string {
  const { task } = live;
  if (live.offline) return t("reconnecting");
  if (task.status === "failed") return task.error ? errorWords(task.error.message, task.error.code) : t("failed");
  if (task.status === "canceled") return t("canceled");
  if (task.status === "succeeded") return t("succeeded");
  if (live.steps) return t("step", { step: live.step, steps: live.steps });
  if (task.status === "running") return t("starting");
  if (live.reason) return live.reason;
  return live.position && live.position > 1 ? t("position", { position: live.position }) : t("next");
}

function TimeLeft(props: { live: LiveTask }) {
  const seconds = secondsLeft(props.live);
  if (seconds === null || seconds < 1) return null;
  return <small class="time-left"> · {seconds < 90 ? t("secondsLeft", { seconds: Math.round(seconds) }) : t("minutesLeft", { minutes: Math.round(seconds / 60) })}</small>;
}

export function Progress(props: { live: LiveTask }) {
  const { live } = props;
  if (hasEnded(live.task)) return <p class="state">{state(live)}</p>;
  return (
    <div class="progress">
      <p class="state">{state(live)}<TimeLeft live={live} /></p>
      <progress max={1} value={live.steps ? live.step / live.steps : 0} aria-label={t("progress")} />
      <button type="button" onClick={() => void guarded(() => cancel(live.task.id))}>{t("cancel")}</button>
    </div>
  );
}
