// What the server is doing: its workers, what waits, and its models.
import { useState } from "preact/hooks";
import { ask } from "../api/client";
import { guarded } from "../data/notice";
import { loadModels, models, overview } from "../data/server";
import { t } from "../i18n";
import { Failures, Usage } from "./usage";

interface Refreshed {
  added: string[];
  changed: string[];
  removed: string[];
}

export function Machine() {
  return (
    <section class="machine" aria-label={t("viewMachine")}>
      <Workers />
      <Usage />
      <Failures />
      <Models />
      <p>
        <a href="docs">{t("tryApi")}</a> · <a href="redoc">{t("readApi")}</a> · <a href="openapi.json">OpenAPI</a>
      </p>
    </section>
  );
}

function Workers() {
  const now = overview.value;
  if (!now) return <p>{t("unreachable")}</p>;
  return (
    <>
      <h2>{t("workers")}</h2>
      <p>{t("load", { queued: now.queued, running: now.running })}</p>
      {now.missing.map((each) => <p key={each.models.join()} class="warning">{t("missingModels", { tasks: each.tasks, models: each.models.join(", ") })}</p>)}
      <div class="scroll" tabIndex={0}>
        <table>
          <thead><tr><th>{t("name")}</th><th>{t("device")}</th><th>{t("status")}</th><th>{t("runningTasks")}</th><th>{t("memory")}</th><th>{t("resident")}</th></tr></thead>
          <tbody lang="en">
            {now.workers.map((worker) => (
              <tr key={worker.name}>
                <th scope="row">{worker.name}</th>
                <td>{worker.device}</td>
                <td>{worker.problem || worker.state}</td>
                <td>{worker.running} / {worker.running + worker.room}</td>
                <td>{bytes(worker.memory_bytes)}</td>
                <td>{worker.resident.join(", ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Models() {
  const [told, setTold] = useState("");
  const refresh = () =>
    guarded(async () => {
      const { added, changed, removed } = await ask<Refreshed>("POST", "v1/models/refresh");
      await loadModels();
      setTold(t("refreshed", { added: added.length, changed: changed.length, removed: removed.length }));
    });
  return (
    <>
      <h2>{t("models")}</h2>
      <div class="actions"><button type="button" onClick={() => void refresh()}>{t("refresh")}</button><span role="status">{told}</span></div>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead><tr><th>{t("name")}</th><th>{t("kind")}</th><th>{t("family")}</th><th>{t("memory")}</th><th>{t("residentOn")}</th><th>{t("status")}</th></tr></thead>
          <tbody lang="en">
            {models.value.map((model) => (
              <tr key={model.name} class={model.problem ? "broken" : ""}>
                <th scope="row">{model.title || model.name}</th>
                <td>{model.kind}</td>
                <td>{model.family}</td>
                <td>{bytes(model.bytes ?? 0)}</td>
                <td>{(model.resident_on ?? []).join(", ")}</td>
                <td>{model.problem || (model.default ? t("isDefault") : "")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function bytes(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(1)} GB` : `${(count / 1e6).toFixed(1)} MB`;
}
