// The newest tasks, with their pictures and what to do with them.
import { useState } from "preact/hooks";
import { tasks, type LiveTask } from "../data/tasks";
import { t } from "../i18n";
import { Progress } from "./progress";
import { Actions, expiry, facts, titleOf } from "./results";
import { Pictures } from "./task_pictures";
import { Viewer } from "./viewer";
import { ZipButton } from "./zip_button";

export function Latest() {
  const [viewed, setViewed] = useState<{ live: LiveTask; index: number } | null>(null);
  const shown = tasks.value.slice(0, 12);
  return (
    <div class="latest">
      {shown.map((live) => (
        <article key={live.task.id} class={`result ${live.task.status}`} data-id={live.task.id}>
          <Pictures live={live} onView={(index) => setViewed({ live, index })} />
          <p class="words" title={titleOf(live.task)}>{titleOf(live.task)}</p>
          {live.task.status !== "succeeded" && <Progress live={live} />}
          {live.task.status === "succeeded" && <p class="facts">{facts(live.task)}{live.task.images?.[0] ? ` · ${expiry(live.task.images[0])}` : ""}</p>}
          {live.task.images?.[0] && <details><summary>{t("use")}</summary><Actions task={live.task} image={live.task.images[0]} index={0} /><ZipButton tasks={[live.task]} /></details>}
          {(live.task.warnings ?? []).map((warning) => <p key={warning} class="warning">{warning}</p>)}
        </article>
      ))}
      {viewed && <Viewer task={viewed.live.task} index={viewed.index} onClose={() => setViewed(null)} />}
    </div>
  );
}
