// The caller's tasks that have not ended.
import { cancelAll, unfinished } from "../data/tasks";
import { guarded } from "../data/notice";
import { t } from "../i18n";
import { Progress } from "../ui/progress";
import { titleOf } from "../ui/results";

export function Queue() {
  const waiting = [...unfinished.value].reverse();
  return (
    <section class="queue" aria-label={t("viewQueue")}>
      <div class="actions">
        <button type="button" disabled={waiting.length === 0} onClick={() => void guarded(cancelAll)}>{t("cancelAll")}</button>
      </div>
      {waiting.length === 0 && <p>{t("queueEmpty")}</p>}
      <ol>
        {waiting.map((live) => (
          <li key={live.task.id}>
            {live.preview && <img src={live.preview} alt={t("preview")} />}
            <div><p class="words">{titleOf(live.task)}</p><Progress live={live} /></div>
          </li>
        ))}
      </ol>
    </section>
  );
}
