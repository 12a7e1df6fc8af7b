// The pictures of a task side by side, or its preview, or its answer in words.
import { hasEnded, type LiveTask } from "../data/tasks";
import { t } from "../i18n";
import { Shown, titleOf } from "./results";

export function Pictures(props: { live: LiveTask; onView: (index: number) => void }) {
  const { task, preview } = props.live;
  const pictures = [...(task.images ?? []), ...(task.hints ?? [])];
  if (pictures.length === 0 && task.answer) return <p class="answer">{answerWords(task.answer)}</p>;
  if (task.images_deleted_at) return <p class="withheld">{t("picturesDeleted")}</p>;
  if (pictures.length === 0 && hasEnded(task)) return null;
  if (pictures.length === 0) return preview ? <img class="preview" src={preview} alt={t("preview")} /> : <div class="waiting" aria-hidden="true" />;
  return (
    <div class={pictures.length > 1 ? "pictures several" : "pictures"}>
      {pictures.map((image, index) => (
        <button key={index} type="button" class="view" aria-label={t("viewPicture", { number: index + 1, words: titleOf(task) })} onClick={() => props.onView(index)}>
          <Shown image={image} words={`${titleOf(task)} (${index + 1})`} />
        </button>
      ))}
    </div>
  );
}

/** The answer of a task that returns data: a single text as it is, anything else as JSON. */
function answerWords(answer: Record<string, unknown>): string {
  const values = Object.values(answer);
  return values.length === 1 && typeof values[0] === "string" ? values[0] : JSON.stringify(answer, null, 1);
}
