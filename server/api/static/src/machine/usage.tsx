// What the tasks have cost by day, and why tasks have failed: for those who run the server.
import { useEffect, useState } from "preact/hooks";
import { ask, Refusal } from "../api/client";
import type { Task, TaskPage, UsageReply } from "../api/types";
import { guarded } from "../data/notice";
import { t } from "../i18n";
import { Tick } from "../ui/controls";
import { titleOf } from "../ui/results";

const MOST_FAILURES = 50;
const FORBIDDEN = 403;

interface Day {
  day: string;
  succeeded: number;
  failed: number;
  canceled: number;
  images: number;
  device_s: number;
}

/** The rows of a day are one for each tenant and type; here they are added up. */
function byDay(usage: UsageReply["usage"], name: (row: UsageReply["usage"][number]) => string): [string, Day][] {
  const days = new Map<string, Day>();
  for (const row of usage) {
    const day = days.get(name(row)) ?? { day: row.day, succeeded: 0, failed: 0, canceled: 0, images: 0, device_s: 0 };
    for (const count of ["succeeded", "failed", "canceled", "images", "device_s"] as const) day[count] += row[count] ?? 0;
    days.set(name(row), day);
  }
  return [...days].sort(([, one], [, other]) => other.day.localeCompare(one.day));
}

export function Usage() {
  const [reply, setReply] = useState<UsageReply | null>(null);
  const [everybody, setEverybody] = useState(false);
  const [refused, setRefused] = useState(false);
  useEffect(() => {
    void guarded(async () => {
      try {
        setReply(await ask<UsageReply>("GET", everybody ? "v1/usage?tenant=*" : "v1/usage"));
      } catch (error) {
        if (!(error instanceof Refusal && error.status === FORBIDDEN)) throw error;
        setRefused(true);
        setEverybody(false);
      }
    });
  }, [everybody]);
  const rows = byDay(reply?.usage ?? [], (row) => (everybody ? `${row.day} ${row.tenant}` : row.day));
  return (
    <>
      <h2>{t("usage")}</h2>
      {refused ? <p>{t("adminOnly")}</p> : <Tick label={t("allTenants")} checked={everybody} onChange={setEverybody} />}
      <div class="scroll" tabIndex={0}>
        <table>
          <thead><tr><th>{t("day")}</th><th>{t("succeeded")}</th><th>{t("failed")}</th><th>{t("canceled")}</th><th>{t("images")}</th><th>{t("deviceTime")}</th></tr></thead>
          <tbody>
            {rows.map(([name, day]) => (
              <tr key={name}><th scope="row">{name}</th><td>{day.succeeded}</td><td>{day.failed}</td><td>{day.canceled}</td><td>{day.images}</td><td>{day.device_s.toFixed(1)} s</td></tr>
            ))}
          </tbody>
        </table>
      </div>
      {reply && rows.length === 0 && <p>{t("nothingYet")}</p>}
    </>
  );
}

export function Failures() {
  const [failed, setFailed] = useState<Task[] | null>(null);
  const load = () => guarded(async () => setFailed((await ask<TaskPage>("GET", `v1/tasks?status=failed&per_page=${MOST_FAILURES}`)).tasks));
  useEffect(() => void load(), []);
  if (!failed) return null;
  return (
    <>
      <h2>{t("failures")}</h2>
      {failed.length === 0 && <p>{t("nothingYet")}</p>}
      {failed.length > 0 && (
        <div class="scroll" tabIndex={0}>
          <table>
            <thead><tr><th>{t("time")}</th><th>{t("task")}</th><th>{t("prompt")}</th><th>{t("reason")}</th></tr></thead>
            <tbody>
              {failed.map((task) => (
                <tr key={task.id} class="broken">
                  <td>{new Date(task.finished_at ?? task.created_at).toLocaleString()}</td><td>{task.type}</td><td>{titleOf(task)}</td><td>{task.error?.message} ({task.error?.code})</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
