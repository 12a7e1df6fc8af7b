// Model, sampler, steps, guidance, seed, and the passes after the first one.
import { useState } from "preact/hooks";
import * as draft from "../data/draft";
import { modelsFor, modelsOfFamily } from "../data/server";
import { RETENTIONS, retention } from "../data/tasks";
import { t } from "../i18n";
import { Choice, Field, IconButton, Slider, Tick } from "../ui/controls";
import { ModelDialog } from "../ui/model_cards";

export const SAMPLERS = ["Euler", "Euler a", "DPM++ 2M", "DPM++ 2M Karras", "DPM++ SDE Karras", "DPM++ 2M SDE Karras", "DPM++ 3M SDE", "UniPC", "DDIM", "Heun", "LMS", "LCM"];
const USUAL = { num_steps: 20, guidance_scale: 7.5, fidelity: 0.2 };

export function ModelButton() {
  const [open, setOpen] = useState(false);
  const chosen = draft.model.value;
  const shown = chosen ? chosen.title || chosen.name : t("noModel");
  const choose = (name: string) => {
    draft.set("model", name);
    setOpen(false);
  };
  return (
    <>
      <Field label={t("model")} field="model">
        {(id) => <button id={id} type="button" class="choose" aria-label={`${t("model")}: ${shown}`} onClick={() => setOpen(true)}>{shown}</button>}
      </Field>
      {open && (
        <ModelDialog title={t("model")} models={modelsFor(draft.taskType.value)} chosen={chosen ? [chosen.name] : []} onChoose={(model) => choose(model.name)} onClose={() => setOpen(false)} />
      )}
    </>
  );
}

export function Sampling() {
  const sampler = draft.text("sampler");
  const options = [["", t("usual", { value: "Euler" })], ...(sampler && !SAMPLERS.includes(sampler) ? [[sampler, sampler]] : []), ...SAMPLERS.map((name) => [name, name])] as [string, string][];
  return (
    <>
      <Choice label={t("sampler")} value={sampler} options={options} onChange={(name) => draft.set("sampler", name)} />
      <Slider label={t("steps")} field="num_steps" more={draft.described("num_steps")} value={draft.number("num_steps", USUAL.num_steps)} min={1} max={100} step={1} onChange={(value) => draft.set("num_steps", value)} />
      <Slider label={t("guidance")} field="guidance_scale" more={draft.described("guidance_scale")} value={draft.number("guidance_scale", USUAL.guidance_scale)} min={0} max={30} step={0.5} onChange={(value) => draft.set("guidance_scale", value)} />
    </>
  );
}

/** How much of the source stays. The API's word is fidelity; people know its opposite, denoising strength. */
export function Strength() {
  const usual = Number(draft.properties.value["fidelity"]?.default ?? USUAL.fidelity);
  const strength = Math.round((1 - draft.number("fidelity", usual)) * 100) / 100;
  return <Slider label={t("denoising")} help={t("denoisingHelp")} field="fidelity" value={strength} min={0.05} max={1} step={0.05} onChange={(value) => draft.set("fidelity", Math.min(0.99, Math.round((1 - value) * 100) / 100))} />;
}

export function Seed() {
  const seed = draft.values.value["seed"];
  return (
    <Field label={t("seed")} field="seed" more={draft.described("seed")}>
      {(id) => (
        <div class="row">
          <input id={id} type="number" min={-1} step={1} placeholder={t("random")} value={seed === undefined || seed === -1 ? "" : String(seed)} onChange={(event) => draft.set("seed", event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value))} />
          <IconButton word="randomSeed" icon="dice" onClick={() => draft.set("seed", undefined)} />
        </div>
      )}
    </Field>
  );
}

export function Images() {
  return <Slider label={t("images")} field="num_samples" value={draft.number("num_samples", 1)} min={1} max={8} step={1} onChange={(value) => draft.set("num_samples", value)} />;
}

/** For how long the pictures stay on the server. */
export function Keep() {
  const words = { "24h": t("hours24"), "7d": t("days", { days: 7 }), "30d": t("days", { days: 30 }), keep: t("withoutEnd") };
  return <Choice label={t("keepFor")} value={retention.value} options={RETENTIONS.map((each) => [each, words[each]] as const)} onChange={(chosen) => (retention.value = chosen)} />;
}

interface HighRes {
  upscale_factor?: number;
  fidelity?: number;
  upscaler?: string;
  num_steps?: number;
  max_wh?: number;
}

/** The second pass at a larger size. */
export function HighResFix() {
  const info = draft.values.value["highres_info"] as HighRes | undefined;
  const change = (changes: HighRes) => {
    const { w, h } = draft.size.value;
    const next = { upscale_factor: 2, ...info, ...changes };
    draft.set("highres_info", { ...next, max_wh: Math.max(1024, Math.ceil(Math.max(w, h) * next.upscale_factor)) });
  };
  const upscalers = modelsOfFamily("upscaler").map((model) => [model.name, model.title || model.name] as [string, string]);
  return (
    <>
      <Tick label={t("highRes")} more={draft.described("highres_info")} checked={info !== undefined} onChange={(checked) => (checked ? change({}) : draft.set("highres_info", undefined))} />
      {info && (
        <>
          <Slider label={t("enlargeBy")} value={info.upscale_factor ?? 2} min={1.25} max={4} step={0.25} onChange={(upscale_factor) => change({ upscale_factor })} />
          <Slider label={t("denoising")} value={Math.round((1 - (info.fidelity ?? 0.3)) * 100) / 100} min={0.05} max={1} step={0.05} onChange={(value) => change({ fidelity: Math.min(0.99, Math.round((1 - value) * 100) / 100) })} />
          <Choice label={t("upscaler")} value={info.upscaler ?? ""} options={[["", t("latents")], ...upscalers]} onChange={(upscaler) => { const { upscaler: _, ...others } = info; draft.set("highres_info", upscaler ? { ...others, upscaler } : others); }} />
        </>
      )}
    </>
  );
}

export function Variation() {
  const strength = draft.number("variation_strength", 0);
  return (
    <>
      <Slider label={t("variationStrength")} help={t("variationHelp")} value={strength} min={0} max={1} step={0.05} onChange={(value) => draft.set("variation_strength", value || undefined)} />
      {strength > 0 && (
        <Field label={t("variationSeed")} field="variation_seed">
          {(id) => <input id={id} type="number" min={0} value={String(draft.values.value["variation_seed"] ?? 0)} onChange={(event) => draft.set("variation_seed", Number(event.currentTarget.value))} />}
        </Field>
      )}
    </>
  );
}
