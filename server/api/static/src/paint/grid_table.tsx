// The pictures of a grid as a table, which can be saved as one picture.
import { useEffect, useState } from "preact/hooks";
import { loadGrid, shownGrid, type Axis, type Grid } from "../data/grid";
import { guarded } from "../data/notice";
import { hasEnded, tasks, total, type LiveTask } from "../data/tasks";
import { t } from "../i18n";
import { IconButton } from "../ui/controls";
import { Progress } from "../ui/progress";
import { save } from "../ui/save";
import { Pictures } from "../ui/task_pictures";
import { Viewer } from "../ui/viewer";
import { drawGrid } from "./grid_picture";
import { settingWords } from "./grid_form";

export function GridTable() {
  const [viewed, setViewed] = useState<string | null>(null);
  const grid = shownGrid.value;
  const hasList = total.value !== null;
  useEffect(() => {
    if (hasList) void guarded(loadGrid);
  }, [hasList]);
  if (!grid) return null;
  const known = new Map(tasks.value.map((live) => [live.task.id, live]));
  const ready = grid.ids.flat().every((id) => !known.has(id) || hasEnded(known.get(id)!.task));
  const shown = viewed ? known.get(viewed) : undefined;
  return (
    <section class="result grid-table" aria-label={t("grid")}>
      <div class="actions">
        <h2>{t("grid")}</h2>
        <button type="button" disabled={!ready} onClick={() => void guarded(() => download(grid, known))}>{t("downloadGrid")}</button>
        <IconButton word="close" icon="close" onClick={() => (shownGrid.value = null)} />
      </div>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead><tr><td />{labels(grid.across).map((label) => <th key={label} scope="col">{label}</th>)}</tr></thead>
          <tbody>
            {labels(grid.down).map((label, row) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                {grid.ids[row]!.map((id, column) => <td key={column}><Cell live={known.get(id)} onView={() => setViewed(id)} /></td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown && <Viewer task={shown.task} index={0} onClose={() => setViewed(null)} />}
    </section>
  );
}

function Cell(props: { live: LiveTask | undefined; onView: () => void }) {
  const { live } = props;
  if (!live) return null;
  return <><Pictures live={live} onView={props.onView} />{live.task.status !== "succeeded" && <Progress live={live} />}</>;
}

function labels(axis: Axis): string[] {
  return axis.values.map((value) => (axis.setting ? `${settingWords(axis.setting)}: ${value}` : ""));
}

async function download(grid: Grid, known: ReadonlyMap<string, LiveTask>): Promise<void> {
  const cells = grid.ids.map((row) => row.map((id) => known.get(id)?.task.images?.[0] ?? null));
  save(await drawGrid(labels(grid.across), labels(grid.down), cells), "hua-grid.png");
}
