// All tasks of the caller, newest first; more are loaded when the end comes near.
import { useEffect, useRef, useState } from "preact/hooks";
import { loading, loadMore, tasks, total, type LiveTask } from "../data/tasks";
import { hasFavourite } from "../data/favourites";
import { guarded } from "../data/notice";
import { titleOfType } from "../data/server";
import { t } from "../i18n";
import { Choice, Tick } from "../ui/controls";
import { Progress } from "../ui/progress";
import { titleOf } from "../ui/results";
import { Pictures } from "../ui/task_pictures";
import { Viewer } from "../ui/viewer";
import { ZipButton } from "../ui/zip_button";

interface Filter {
  words: string;
  type: string;
  model: string;
  status: string;
  favourites: boolean;
}

const NO_FILTER: Filter = { words: "", type: "", model: "", status: "", favourites: false };

function matches({ task }: LiveTask, filter: Filter): boolean {
  return (
    (!filter.words || titleOf(task).toLowerCase().includes(filter.words.toLowerCase())) &&
    (!filter.type || task.type === filter.type) &&
    (!filter.model || task.model === filter.model) &&
    (!filter.status || task.status === filter.status) &&
    (!filter.favourites || hasFavourite(task))
  );
}

export function Gallery() {
  const [filter, setFilter] = useState(NO_FILTER);
  const [viewed, setViewed] = useState<{ id: string; index: number } | null>(null);
  const end = useRef<HTMLDivElement>(null);
  const shown = tasks.value.filter((live) => matches(live, filter));
  const pictured = shown.filter(({ task }) => (task.images ?? []).length > 0);

  useEffect(() => {
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) void guarded(loadMore);
    }, { rootMargin: "800px" });
    observer.observe(end.current!);
    return () => observer.disconnect();
  }, [tasks.value.length]);

  const move = (by: number) => {
    const place = pictured.findIndex(({ task }) => task.id === viewed?.id);
    const next = pictured[place + by];
    if (next) setViewed({ id: next.task.id, index: 0 });
  };
  const current = tasks.value.find(({ task }) => task.id === viewed?.id);
  return (
    <section class="gallery" aria-label={t("viewGallery")}>
      <Filters filter={filter} onChange={setFilter} />
      <p class="count" role="status">{total.value === null ? "" : t("shownOf", { shown: shown.length, total: total.value })}</p>
      <div class="actions"><ZipButton tasks={shown.map(({ task }) => task)} /></div>
      <div class="grid">
        {shown.map((live) => (
          <article key={live.task.id} class={`result ${live.task.status}`} data-id={live.task.id}>
            <Pictures live={live} onView={(index) => setViewed({ id: live.task.id, index })} />
            <p class="words" title={titleOf(live.task)}>{hasFavourite(live.task) && <span class="star" role="img" aria-label={t("favourite")}>★</span>} {titleOf(live.task)}</p>
            {live.task.status !== "succeeded" && <Progress live={live} />}
          </article>
        ))}
      </div>
      {shown.length === 0 && !loading.value && <p>{t("nothingYet")}</p>}
      <div ref={end} class="end" aria-hidden="true" />
      {viewed && current && <Viewer task={current.task} index={viewed.index} onMove={move} onClose={() => setViewed(null)} />}
    </section>
  );
}

function Filters(props: { filter: Filter; onChange: (filter: Filter) => void }) {
  const { filter, onChange } = props;
  const types = [...new Set(tasks.value.map(({ task }) => task.type))];
  const used = [...new Set(tasks.value.flatMap(({ task }) => task.model ?? []))];
  const all: readonly [string, string] = ["", t("all")];
  return (
    <div class="filters" role="search">
      <input type="search" aria-label={t("searchPrompts")} placeholder={t("searchPrompts")} value={filter.words} onInput={(event) => onChange({ ...filter, words: event.currentTarget.value })} />
      <Choice label={t("task")} value={filter.type} options={[all, ...types.map((type) => [type, titleOfType(type)] as const)]} onChange={(type) => onChange({ ...filter, type })} />
      <Choice label={t("model")} value={filter.model} options={[all, ...used.map((name) => [name, name] as const)]} onChange={(model) => onChange({ ...filter, model })} />
      <Choice label={t("status")} value={filter.status} options={[all, ...(["queued", "running", "succeeded", "failed", "canceled"] as const).map((status) => [status, t(status)] as const)]} onChange={(status) => onChange({ ...filter, status })} />
      <Tick label={t("favouritesOnly")} checked={filter.favourites} onChange={(favourites) => onChange({ ...filter, favourites })} />
    </div>
  );
}
