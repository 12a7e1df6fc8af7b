// What a newcomer needs to know: that these are toys, that a model is missing, or which one is broken.
import * as draft from "../data/draft";
import { broken, checkpoints, onlyToys, pipelines } from "../data/server";
import { tasks } from "../data/tasks";
import { t } from "../i18n";

export function FirstVisit() {
  if (pipelines.value.length === 0) return null;
  return (
    <>
      {checkpoints.value.length === 0 && <p class="note">{t("noModels")}</p>}
      {broken.value.length > 0 && (
        <details class="note" open={checkpoints.value.length === 0}><summary>{t("brokenModels", { count: broken.value.length })}</summary>
          <ul>{broken.value.map((model) => <li key={model.name}><strong>{model.name}</strong>: {model.problem}</li>)}</ul>
        </details>
      )}
      {onlyToys.value && (
        <details class="note" open={tasks.value.length === 0}><summary>{t("toys")}</summary>
          <p>{t("toysHelp")}</p>
          <div class="examples">
            {t("examples").split("|").map((words, index) => (
              <button key={words} type="button" onClick={() => draft.set("text", words)}><img src={`page/example-${index + 1}.webp`} alt="" width="128" height="128" />{words}</button>
            ))}
          </div>
        </details>
      )}
    </>
  );
}
