// ControlNet: up to four maps, each drawn from a picture that is shown beside its map.
import { useState } from "preact/hooks";
import { ask, local } from "../api/client";
import type { Task } from "../api/types";
import * as draft from "../data/draft";
import type { ControlUnit } from "../data/draft";
import { pictureParam } from "../data/pictures";
import { guarded } from "../data/notice";
import { modelsOfFamily } from "../data/server";
import { t } from "../i18n";
import { Choice, Slider, Tick } from "../ui/controls";
import { PictureDrop } from "../ui/picture_drop";

const KINDS = ["canny", "depth", "pose", "lineart", "softedge", "scribble", "mlsd", "normal", "tile", "qr", "brightness"] as const;
const MOST_UNITS = 4;

/** The kinds for which there is a ControlNet; all of them while that is not known. */
function kinds(): readonly string[] {
  const known = new Set(modelsOfFamily("controlnet").map((model) => model.hint));
  const offered = KINDS.filter((kind) => known.has(kind));
  return offered.length ? offered : KINDS;
}

export function ControlUnits() {
  const units = draft.controls.value;
  const put = (index: number, changes: Partial<ControlUnit>) => {
    draft.controls.value = units.map((unit, place) => (place === index ? { ...unit, ...changes } : unit));
  };
  const add = () => {
    draft.controls.value = [...units, { type: kinds()[0] ?? "canny", picture: null, strength: 1, end: 1, isMap: false }];
  };
  return (
    <div class="units">
      {units.map((unit, index) => (
        <Unit key={index} unit={unit} onChange={(changes) => put(index, changes)} onRemove={() => (draft.controls.value = units.filter((_, place) => place !== index))} />
      ))}
      {units.length < MOST_UNITS && <button type="button" onClick={add}>{t("addControl")}</button>}
    </div>
  );
}

function Unit(props: { unit: ControlUnit; onChange: (changes: Partial<ControlUnit>) => void; onRemove: () => void }) {
  const { unit, onChange } = props;
  const [map, setMap] = useState("");
  const drawMap = () =>
    guarded(async () => {
      const params = { url: await pictureParam(unit.picture!) };
      const task = await ask<Task>("POST", "v1/tasks", { type: `control.${unit.type}_hint`, params });
      setMap(await imageOf(task));
    });
  return (
    <fieldset class="unit">
      <legend>{unit.type}</legend>
      <Choice label={t("controlKind")} value={unit.type} options={kinds().map((kind) => [kind, kind] as const)} onChange={(type) => { setMap(""); onChange({ type }); }} />
      <div class="pair">
        <PictureDrop label={t("controlPicture")} picture={unit.picture} onPicture={(picture) => { setMap(""); onChange({ picture }); }} />
        {map && <img class="map" src={map} alt={t("controlMap")} />}
      </div>
      <Slider label={t("strength")} value={unit.strength} min={0} max={2} step={0.05} onChange={(strength) => onChange({ strength })} />
      <Slider label={t("controlEnd")} value={unit.end} min={0} max={1} step={0.05} onChange={(end) => onChange({ end })} />
      <Tick label={t("isMap")} checked={unit.isMap} onChange={(isMap) => onChange({ isMap })} />
      <div class="actions">
        {unit.picture && !unit.isMap && <button type="button" onClick={() => void drawMap()}>{t("showMap")}</button>}
        <button type="button" onClick={props.onRemove}>{t("remove")}</button>
      </div>
    </fieldset>
  );
}

/** The address of the first image of a task, once it has ended. */
async function imageOf(task: Task): Promise<string> {
  for (let current = task; ; current = await ask<Task>("GET", `v1/tasks/${task.id}`)) {
    const [image] = [...(current.images ?? []), ...(current.hints ?? [])];
    if (image) return local(image.url);
    if (current.status === "failed" || current.status === "canceled") throw new Error(current.error?.message ?? current.status);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
