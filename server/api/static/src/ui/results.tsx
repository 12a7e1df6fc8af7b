// The pictures of a task, and what can be done with each of them.
import { fetchResult, local } from "../api/client";
import type { Task, TaskImage } from "../api/types";
import * as draft from "../data/draft";
import { recallPictures } from "../data/inputs";
import { isKept, toggleKept } from "../data/kept";
import { guarded } from "../data/notice";
import { pictureOfLink, type Picture } from "../data/pictures";
import { modelsOfFamily } from "../data/server";
import { deletePictures } from "../data/tasks";
import { open } from "../data/view";
import { t, type Word } from "../i18n";

export function titleOf(task: Task): string {
  const { text } = { ...task.params, ...task.original_prompts } as { text?: string };
  return text || task.type;
}

/** A name that tells what the picture shows: the first words of the prompt, and the seed. */
export function fileName(task: Task, image: TaskImage, index: number): string {
  const words = titleOf(task).normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60).replace(/^-+|-+$/g, "");
  const number = image.seed === null ? String(index + 1) : String(image.seed);
  return `${words || "picture"}-${number}.${image.format === "jpeg" ? "jpg" : image.format}`;
}

/** Whether the picture can be seen and downloaded. */
export function isThere(image: TaskImage): boolean {
  return image.safe && endOf(image) >= Date.now();
}

/** When the picture is deleted, in milliseconds; infinite if it is kept. */
function endOf(image: TaskImage): number {
  return image.expires_at ? new Date(image.expires_at).getTime() : Infinity;
}

export function Shown(props: { image: TaskImage; words: string }) {
  const { image, words } = props;
  if (!image.safe) return <p class="withheld">{t("withheld", { reason: image.reason ?? "" })}</p>;
  if (endOf(image) < Date.now()) return <p class="withheld">{t("expired")}</p>;
  return <img src={local(image.url)} width={image.width} height={image.height} alt={words} draggable={false} loading="lazy" decoding="async" />;
}

/** When the pictures of a task are deleted, in words. */
export function expiry(image: TaskImage): string {
  const hours = (endOf(image) - Date.now()) / 3_600_000;
  if (hours === Infinity) return t("keptWithoutEnd");
  if (hours <= 0) return t("expired");
  return hours < 48 ? t("goesInHours", { hours: Math.max(1, Math.round(hours)) }) : t("goesInDays", { days: Math.round(hours / 24) });
}

/** The server's own name for the file, which a browser prefers, says less. */
async function save(image: TaskImage, name: string): Promise<void> {
  const shown = URL.createObjectURL(await fetchResult(image.url));
  Object.assign(document.createElement("a"), { href: shown, download: name }).click();
}

const USES: readonly { word: Word; mode: draft.Mode; take: (picture: Picture) => void }[] = [
  { word: "useAsImage", mode: "image", take: (picture) => (draft.source.value = picture) },
  { word: "useForMask", mode: "inpaint", take: (picture) => (draft.source.value = picture) },
  { word: "useToExtend", mode: "extend", take: (picture) => (draft.source.value = picture) },
  { word: "useToEnlarge", mode: "enlarge", take: (picture) => (draft.source.value = picture) },
  { word: "useAsControl", mode: "control", take: (picture) => (draft.controls.value = [{ type: "canny", picture, strength: 1, end: 1, isMap: false }]) },
];

export function Actions(props: { task: Task; image: TaskImage; index: number; onDone?: () => void }) {
  const { task, image, index } = props;
  const use = (mode: draft.Mode, take: (picture: Picture) => void) =>
    guarded(async () => {
      const picture = await pictureOfLink(image.url, fileName(task, image, index), { task: task.id, index });
      draft.mode.value = mode;
      take(picture);
      open("paint");
      props.onDone?.();
    });
  const asPrompt = () =>
    guarded(async () => {
      draft.imagePrompt.value = { picture: await pictureOfLink(image.url, fileName(task, image, index), { task: task.id, index }), scale: 0.5 };
      open("paint");
      props.onDone?.();
    });
  const again = (changes: Record<string, unknown>) => {
    draft.recall({ ...task, params: { ...task.params, ...changes } });
    void guarded(() => recallPictures(task));
    open("paint");
    props.onDone?.();
  };
  return (
    <div class="actions">
      {isThere(image) && <button type="button" aria-pressed={isKept(task)} title={t("keepHelp")} onClick={() => void guarded(() => toggleKept(task))}>★ {t("keep")}</button>}
      {image.safe && <a class="button" href={local(image.url)} download={fileName(task, image, index)} onClick={(event) => { event.preventDefault(); void guarded(() => save(image, fileName(task, image, index))); }}>{t("download")}</a>}
      <button type="button" onClick={() => again({ seed: image.seed ?? undefined })}>{t("sameSettings")}</button>
      {image.seed !== null && "variation_strength" in task.params && (
        <button type="button" onClick={() => again({ seed: image.seed, variation_seed: Math.floor(Math.random() * 2 ** 31), variation_strength: 0.2 })}>{t("vary")}</button>
      )}
      {image.safe && USES.map(({ word, mode, take }) => <button key={word} type="button" onClick={() => void use(mode, take)}>{t(word)}</button>)}
      {image.safe && modelsOfFamily("ip_adapter").length > 0 && <button type="button" onClick={() => void asPrompt()}>{t("useAsPrompt")}</button>}
      <button type="button" onClick={() => { if (confirm(t("deleteSure", { count: (task.images ?? []).length }))) void guarded(() => deletePictures(task.id)); }}>{t("deletePictures")}</button>
    </div>
  );
}

export function facts(task: Task): string {
  const [image] = task.images ?? [];
  const seconds = task.started_at && task.finished_at ? (new Date(task.finished_at).getTime() - new Date(task.started_at).getTime()) / 1000 : 0;
  return [
    image && `${image.width} × ${image.height}`,
    image && image.seed !== null && t("seedIs", { seed: image.seed }),
    task.model,
    seconds > 0 && `${seconds.toFixed(1)} s`,
  ].filter(Boolean).join(" · ");
}
