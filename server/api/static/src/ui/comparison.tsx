// A second picture over the first one, up to a line that the person moves.
import { useState } from "preact/hooks";
import { local } from "../api/client";
import type { Task } from "../api/types";
import { inputsOf } from "../data/inputs";
import { uploadPath } from "../data/pictures";
import { t } from "../i18n";
import { paramName } from "../i18n/server_words";
import { Choice } from "./controls";
import { useServerPicture } from "./server_picture";

/** A picture to compare with. */
export interface Other {
  name: string;
  /** An input is read with the key, a result by its signed link. */
  input?: string;
  link?: string;
}

/** The pictures that the task was made from, and then its other pictures, the next one first. */
export function othersOf(task: Task, index: number): Other[] {
  const results = task.images ?? [];
  const pictures = [...results, ...(task.hints ?? [])].map((image, place) => ({
    name: place < results.length ? t("pictureNumber", { number: place + 1 }) : t("controlMap"),
    link: local(image.url),
  }));
  const inputs = inputsOf(task).map(({ id, param }) => ({ name: param === "url" ? t("sourcePicture") : paramName(param), input: uploadPath(id) }));
  return [...inputs, ...pictures.slice(index + 1), ...pictures.slice(0, index)];
}

export function Overlay(props: { task: Task; other: Other; share: number }) {
  const { other, share, task } = props;
  const [size, setSize] = useState({ width: 0, height: 0 });
  const input = useServerPicture(other.input ?? "");
  const shown = other.link ?? input;
  return (
    <>
      <div class="over" style={{ clipPath: `inset(0 ${100 - share}% 0 0)` }}>
        {shown && (
          <img
            src={shown}
            alt={t("comparedWith")}
            draggable={false}
            style={other.input ? placeIn(task, size) : {}}
            onLoad={({ currentTarget }) => setSize({ width: currentTarget.naturalWidth, height: currentTarget.naturalHeight })}
          />
        )}
      </div>
      <span class="divider" style={{ left: `${share}%` }} />
    </>
  );
}

/** Where the source is in a picture that was extended: it lies there as it was. */
function placeIn(task: Task, { width, height }: { width: number; height: number }): Record<string, string> {
  if (!("left" in task.params && "top" in task.params) || width === 0) return {};
  const [left, right, top, bottom] = ["left", "right", "top", "bottom"].map((side) => Number(task.params[side] ?? 0)) as [number, number, number, number];
  const share = (pixels: number, of: number) => `${(100 * pixels) / of}%`;
  const whole = { width: left + width + right, height: top + height + bottom };
  return { left: share(left, whole.width), top: share(top, whole.height), width: share(width, whole.width), height: share(height, whole.height) };
}

export function ComparisonControls(props: { others: Other[]; chosen: number; share: number; onChoose: (chosen: number) => void; onShare: (share: number) => void }) {
  const { others, chosen, share } = props;
  const input = useServerPicture(others[chosen]?.input ?? "");
  return (
    <div class="comparison">
      {others.length > 1 && <Choice label={t("compareWith")} value={String(chosen)} options={others.map(({ name }, place) => [String(place), name] as const)} onChange={(place) => props.onChoose(Number(place))} />}
      {input === null && <p class="hint" role="status">{t("inputGone")}</p>}
      <input type="range" class="compare" aria-label={t("compare")} min={0} max={100} value={share} onInput={(event) => props.onShare(Number(event.currentTarget.value))} />
    </div>
  );
}
