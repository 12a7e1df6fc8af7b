// The painting view: what to do on the left, pictures beside it.
import { useEffect } from "preact/hooks";
import * as draft from "../data/draft";
import { guarded, notice } from "../data/notice";
import { firstPicture } from "../data/pictures";
import { pipelines, titleOfType } from "../data/server";
import { submit } from "../data/tasks";
import { t, type Word } from "../i18n";
import { Choice, Segments, Slider, Tick } from "../ui/controls";
import { Notice } from "../ui/notice";
import { Adapters } from "./adapters";
import { ControlUnits } from "./control_units";
import { EverythingElse } from "./everything_else";
import { FirstVisit } from "./first_visit";
import { GridForm } from "./grid_form";
import { Prompt } from "./prompt";
import { HighResFix, Images, Keep, ModelButton, Sampling, Seed, Strength, Variation } from "./settings";
import { SettingsFile, takeOrOffer } from "./settings_offer";
import { Size } from "./size";
import { Stage, useAsSource } from "./stage";

const MODE_WORDS: Record<draft.Mode, Word> = {
  text: "modeText",
  image: "modeImage",
  inpaint: "modeInpaint",
  erase: "modeErase",
  extend: "modeExtend",
  control: "modeControl",
  enlarge: "modeEnlarge",
  other: "modeOther",
};

/** As in style.css: the pictures are below the form there, a long way down. */
const ONE_COLUMN = "(max-width: 56rem)";

async function generate(): Promise<void> {
  if (draft.missing.value) {
    notice.value = { message: t(draft.missing.value), field: draft.missing.value === "missingText" ? "text" : "" };
    return;
  }
  await guarded(async () => {
    const { type, params } = await draft.request();
    const { id } = await submit(type, params);
    if (matchMedia(ONE_COLUMN).matches) requestAnimationFrame(() => document.querySelector(`[data-id="${id}"]`)?.scrollIntoView());
  });
}

export function Paint() {
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const file = firstPicture(event.clipboardData);
      if (file) void takeOrOffer(file, useAsSource);
    };
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  }, []);
  useEffect(() => {
    if (notice.value?.field) show(document.querySelector(".panel .wrong"));
  }, [notice.value]);
  const mode = draft.mode.value;
  return (
    <div class="paint">
      <form
        class="panel"
        aria-label={t("whatToPaint")}
        onSubmit={(event) => {
          event.preventDefault();
          void generate();
        }}
        onInvalidCapture={(event) => unfold(event.target as Element)}
      >
        <Segments label={t("task")} value={mode} options={(Object.keys(MODE_WORDS) as draft.Mode[]).map((each) => [each, t(MODE_WORDS[each])] as const)} onChange={(each) => (draft.mode.value = each)} />
        {mode === "other" && <Choice label={t("task")} value={draft.otherType.value} options={pipelines.value.map((each) => [each.name, titleOfType(each.name)] as const)} onChange={(type) => (draft.otherType.value = type)} />}
        {draft.takes("text") && <Prompt name="text" rows={4} label={t("prompt")} placeholder={t("promptExample")} />}
        {draft.takes("negative_prompt") && <Prompt name="negative_prompt" rows={2} label={t("negative")} placeholder={t("negativeExample")} />}
        <div class="send">
          <button type="submit" class="primary">{t("generate")}</button>
          {draft.takes("text") && <SettingsFile />}
          <Notice />
        </div>
        <FirstVisit />
        {mode === "other" ? <EverythingElse all /> : <Settings />}
      </form>
      <Stage />
    </div>
  );
}

/** Puts the focus on the input of a field. */
function show(field: Element | null): void {
  if (!field) return;
  unfold(field);
  field.querySelector<HTMLElement>("textarea, select, input:not([type=range]), button")?.focus();
}

/** A browser neither shows nor focuses what is folded away. */
function unfold(element: Element): void {
  for (let details = element.closest("details"); details; details = details.parentElement?.closest("details") ?? null) details.open = true;
}

function Settings() {
  return (
    <>
      {draft.takes("model") && <ModelButton />}
      {draft.takes("w") && draft.takes("text") && <Size />}
      {draft.mode.value === "control" && <ControlUnits />}
      {draft.takes("fidelity") && draft.mode.value !== "control" && <Strength />}
      {draft.takes("scale") && <Slider label={t("enlargeBy")} value={draft.number("scale", 4)} min={2} max={4} step={1} onChange={(value) => draft.set("scale", value)} />}
      {draft.takes("num_samples") && <Images />}
      {draft.takes("seed") && <Seed />}
      {draft.takes("lora_scales") && <details open><summary>{t("adapters")}</summary><Adapters /></details>}
      {draft.takes("sampler") && <details open><summary>{t("sampling")}</summary><Sampling /></details>}
      {draft.takes("highres_info") && <details><summary>{t("refine")}</summary><HighResFix />{draft.takes("variation_strength") && <Variation />}{draft.takes("use_circular") && <Tick label={t("tiling")} checked={Boolean(draft.values.value["use_circular"])} onChange={(checked) => draft.set("use_circular", checked || undefined)} />}</details>}
      {draft.MASKED.includes(draft.mode.value) && draft.takes("inpainting_mask_blur") && <Slider label={t("maskBlur")} field="inpainting_mask_blur" more={draft.described("inpainting_mask_blur")} value={draft.number("inpainting_mask_blur", 0)} min={0} max={64} step={1} onChange={(value) => draft.set("inpainting_mask_blur", value)} />}
      {draft.takes("keep_original") && <Slider label={t("fade")} field="keep_original_num_fade_pixels" more={draft.described("keep_original_num_fade_pixels")} value={draft.number("keep_original_num_fade_pixels", draft.USUAL_FADE)} min={0} max={128} step={1} onChange={(value) => draft.set("keep_original_num_fade_pixels", value)} />}
      {draft.takes("seed") && <details><summary>{t("grid")}</summary><GridForm /></details>}
      <Keep />
      <details><summary>{t("everythingElse")}</summary><EverythingElse /></details>
    </>
  );
}
