// The form for a grid: which two settings vary, and their values.
import * as draft from "../data/draft";
import { axisOf, isNumber, MOST_CELLS, paintGrid, typed } from "../data/grid";
import { guarded } from "../data/notice";
import { modelsFor } from "../data/server";
import { t } from "../i18n";
import { Choice, Field } from "../ui/controls";
import { SAMPLERS } from "./settings";

export function settingWords(setting: string): string {
  const words = { num_steps: t("steps"), guidance_scale: t("guidance"), seed: t("seed"), sampler: t("sampler"), model: t("model"), denoising: t("denoising") };
  return (words as Record<string, string>)[setting] ?? setting.replace(/^lora:/, "LoRA ");
}

function settings(): string[] {
  const loras = Object.keys((draft.values.value["lora_scales"] ?? {}) as object).map((name) => `lora:${name}`);
  const known = ["num_steps", "guidance_scale", "seed", "sampler", "model"].filter(draft.takes);
  return [...known, ...(draft.takes("fidelity") ? ["denoising"] : []), ...loras];
}

/** Values to begin with, which show how they are written. */
function examples(setting: string): string {
  if (setting === "sampler") return SAMPLERS.slice(0, 3).join(", ");
  if (setting === "model") return modelsFor(draft.taskType.value).map((model) => model.name).join(", ");
  const numbers: Record<string, string> = { num_steps: "10, 20, 30", guidance_scale: "3, 7.5, 12", seed: "1-4", denoising: "0.3, 0.6, 0.9" };
  return numbers[setting] ?? "0, 0.5, 1";
}

export function GridForm() {
  const { across, down } = typed.value;
  const values = [axisOf(across), axisOf(down)];
  const cells = values[0]!.values.length * values[1]!.values.length;
  const wrong = values.some((axis) => axis.setting && isNumber(axis.setting) && axis.values.some((value) => Number.isNaN(Number(value))));
  const ready = Boolean(across.setting || down.setting) && cells > 0 && cells <= MOST_CELLS && !wrong && !draft.missing.value;
  return (
    <>
      <Side label={t("gridAcross")} side="across" />
      <Side label={t("gridDown")} side="down" />
      <button type="button" disabled={!ready} onClick={() => void guarded(paintGrid)}>{t("paintGrid", { count: cells })}</button>
      {draft.missing.value && <p class="hint">{t(draft.missing.value)}</p>}
      {cells > MOST_CELLS && <p class="error" role="alert">{t("gridTooLarge", { most: MOST_CELLS })}</p>}
      {wrong && <p class="error" role="alert">{t("gridNumbers")}</p>}
    </>
  );
}

function Side(props: { label: string; side: "across" | "down" }) {
  const current = typed.value[props.side];
  const change = (setting: string, values: string) => (typed.value = { ...typed.value, [props.side]: { setting, values } });
  const options = [["", t("gridNothing")], ...settings().map((setting) => [setting, settingWords(setting)])] as [string, string][];
  return (
    <div class="pair">
      <Choice label={props.label} value={current.setting} options={options} onChange={(setting) => change(setting, setting && examples(setting))} />
      <Field label={t("gridValues", { side: props.label })}>
        {(id) => <input id={id} disabled={!current.setting} value={current.values} onInput={(event) => change(current.setting, event.currentTarget.value)} />}
      </Field>
    </div>
  );
}
