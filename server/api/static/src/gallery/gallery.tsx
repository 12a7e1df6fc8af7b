// All tasks of the caller, newest first; more are loaded when the end comes near.
import { useEffect, useRef, useState } from "preact/hooks";
import { filter, finding, findMore, foundTotal, isFiltered, type Filter } from "../data/filtered";
import { isKept, keptUse, openKept } from "../data/kept";
import { guarded } from "../data/notice";
import { models, pipelines, titleOfType } from "../data/server";
import { key } from "../data/session";
import { found, loading, loadMore, tasks, total } from "../data/tasks";
import { t } from "../i18n";
import { Choice, Tick } from "../ui/controls";
import { Progress } from "../ui/progress";
import { expiry, isThere, titleOf } from "../ui/results";
import { Pictures } from "../ui/task_pictures";
import { Viewer } from "../ui/viewer";
import { ZipButton } from "../ui/zip_button";

const MB = 1024 * 1024;
/** How long the person may pause between two letters. */
const TYPING_PAUSE_MS = 300;

export function Gallery() {
  const [viewed, setViewed] = useState<{ id: string; index: number } | null>(null);
  const end = useRef<HTMLDivElement>(null);
  const filtered = isFiltered();
  const shown = filtered ? found.value : tasks.value;
  const all = filtered ? foundTotal.value : total.value;
  const pictured = shown.filter(({ task }) => (task.images ?? []).length > 0);

  useEffect(() => void openKept(), [key.value]);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) void guarded(filtered ? findMore : loadMore);
    }, { rootMargin: "800px" });
    observer.observe(end.current!);
    return () => observer.disconnect();
  }, [filtered, shown.length]);

  const move = (by: number) => {
    const place = pictured.findIndex(({ task }) => task.id === viewed?.id);
    const next = pictured[place + by];
    if (next) setViewed({ id: next.task.id, index: 0 });
  };
  const current = shown.find(({ task }) => task.id === viewed?.id);
  return (
    <section class="gallery" aria-label={t("viewGallery")}>
      <Filters />
      <p class="count" role="status">{all === null ? "" : t("shownOf", { shown: shown.length, total: all })}</p>
      {keptUse.value && <p class="count">{t("keptUse", { count: keptUse.value.count, used: Math.ceil(keptUse.value.bytes / MB), most: Math.floor(keptUse.value.max_bytes / MB) })}</p>}
      <div class="actions"><ZipButton tasks={shown.map(({ task }) => task)} /></div>
      <div class="grid">
        {shown.map((live) => (
          <article key={live.task.id} class={`result ${live.task.status}`} data-id={live.task.id}>
            <Pictures live={live} onView={(index) => setViewed({ id: live.task.id, index })} />
            <p class="words" title={titleOf(live.task)}>{isKept(live.task) && <span class="star" role="img" aria-label={t("keptWithoutEnd")}>★</span>} {titleOf(live.task)}</p>
            {live.task.images?.[0] && isThere(live.task.images[0]) && <p class="facts">{expiry(live.task.images[0])}</p>}
            {live.task.status !== "succeeded" && <Progress live={live} />}
          </article>
        ))}
      </div>
      {shown.length === 0 && !loading.value && !finding.value && <p>{t("nothingYet")}</p>}
      <div ref={end} class="end" aria-hidden="true" />
      {viewed && current && <Viewer task={current.task} index={viewed.index} onMove={move} onClose={() => setViewed(null)} />}
    </section>
  );
}

function Filters() {
  const chosen = filter.value;
  const pause = useRef(0);
  const change = (changes: Partial<Filter>) => (filter.value = { ...filter.value, ...changes });
  const search = (words: string) => {
    clearTimeout(pause.current);
    pause.current = window.setTimeout(() => change({ words }), TYPING_PAUSE_MS);
  };
  const all: readonly [string, string] = ["", t("all")];
  return (
    <div class="filters" role="search">
      <input type="search" aria-label={t("searchPrompts")} placeholder={t("searchPrompts")} defaultValue={chosen.words} onInput={(event) => search(event.currentTarget.value)} />
      <Choice label={t("task")} value={chosen.type} options={[all, ...pipelines.value.map(({ name }) => [name, titleOfType(name)] as const)]} onChange={(type) => change({ type })} />
      <Choice label={t("model")} value={chosen.model} options={[all, ...models.value.map(({ name }) => [name, name] as const)]} onChange={(model) => change({ model })} />
      <Choice label={t("status")} value={chosen.status} options={[all, ...(["queued", "running", "succeeded", "failed", "canceled"] as const).map((status) => [status, t(status)] as const)]} onChange={(status) => change({ status })} />
      <Tick label={t("keptOnly")} checked={chosen.kept} onChange={(kept) => change({ kept })} />
    </div>
  );
}
