// The middle of the painting view: the source with its tools, or what was painted last.
import { useState } from "preact/hooks";
import * as draft from "../data/draft";
import { firstPicture, type Picture } from "../data/pictures";
import { notice } from "../data/notice";
import { tasks, type LiveTask } from "../data/tasks";
import { t } from "../i18n";
import { PictureDrop } from "../ui/picture_drop";
import { Progress } from "../ui/progress";
import { Actions, expiry, facts, titleOf } from "../ui/results";
import { Pictures } from "../ui/task_pictures";
import { Viewer } from "../ui/viewer";
import { ZipButton } from "../ui/zip_button";
import { ExtendEditor } from "./extend_editor";
import { GridTable } from "./grid_table";
import { MaskEditor } from "./mask_editor";
import { SettingsOffer, takeOrOffer } from "./settings_offer";

const NEEDS_SOURCE: readonly draft.Mode[] = ["image", "inpaint", "erase", "extend", "enlarge"];

export function Stage() {
  const mode = draft.mode.value;
  const source = draft.source.value;
  const wantsSource = NEEDS_SOURCE.includes(mode) || (mode === "other" && draft.takes("url"));
  return (
    <section
      class="stage"
      aria-label={t("stage")}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        const file = firstPicture(event.dataTransfer);
        if (file) void takeOrOffer(file, useAsSource);
        else notice.value = { message: t("notAPicture"), field: "" };
      }}
    >
      <SettingsOffer onPicture={useAsSource} />
      {wantsSource && (
        <>
          {source && draft.MASKED.includes(mode) && <MaskEditor picture={source} />}
          {source && mode === "extend" && <ExtendEditor picture={source} />}
          <PictureDrop label={t("choosePicture")} picture={source} shown={!(draft.MASKED.includes(mode) || mode === "extend")} onPicture={(picture) => (draft.source.value = picture)} />
        </>
      )}
      <GridTable />
      <Latest />
    </section>
  );
}

/** A dropped or pasted picture: the modes that take none become "change a picture". */
export function useAsSource(picture: Picture): void {
  draft.source.value = picture;
  if (!NEEDS_SOURCE.includes(draft.mode.value) && draft.mode.value !== "other") draft.mode.value = "image";
}

function Latest() {
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
