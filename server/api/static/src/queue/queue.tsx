// The caller's tasks that have not ended.
import { useEffect } from "preact/hooks";
import { cancelAll, changePriority, inOrder, loadUnfinished, type LiveTask } from "../data/tasks";
import { guarded } from "../data/notice";
import { t } from "../i18n";
import { Choice } from "../ui/controls";
import { Progress } from "../ui/progress";
import { titleOf } from "../ui/results";

export function Queue() {
  useEffect(() => void guarded(loadUnfinished), []);
  const waiting = inOrder.value;
  return (
    <section class="queue" aria-label={t("viewQueue")}>
      {waiting.length === 0 && <p>{t("queueEmpty")}</p>}
      {waiting.length > 0 && <button type="button" onClick={() => void guarded(cancelAll)}>{t("cancelAll")}</button>}
      <ol>
        {waiting.map((live) => (
          <li key={live.task.id}>
            {live.preview && <img src={live.preview} alt={t("preview")} />}
            <div><p class="words">{titleOf(live.task)}</p><Progress live={live} /></div>
            {live.task.status === "queued" && <Priority live={live} />}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Priority(props: { live: LiveTask }) {
  const { task } = props.live;
  const options = [["high", t("priorityHigh")], ["normal", t("priorityNormal")], ["low", t("priorityLow")]] as const;
  return <Choice label={t("priority")} value={task.priority} options={options} onChange={(priority) => void guarded(() => changePriority(task.id, priority))} />;
}
