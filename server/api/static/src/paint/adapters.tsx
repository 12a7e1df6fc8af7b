// LoRAs with their weights, embeddings, styles, and a picture that acts as a prompt.
import { useState } from "preact/hooks";
import * as draft from "../data/draft";
import { findModel, modelsOfFamily } from "../data/server";
import type { Model } from "../api/types";
import { t } from "../i18n";
import { Slider } from "../ui/controls";
import { ModelDialog } from "../ui/model_cards";
import { PictureDrop } from "../ui/picture_drop";
import { Styles } from "./styles";

const USUAL_WEIGHT = 0.8;
const USUAL_SCALE = 0.5;
const MOST_WEIGHT = 2;

/** The models of a family that fit the chosen checkpoint. */
function fitting(family: string): Model[] {
  const base = draft.model.value?.family;
  return modelsOfFamily(family).filter((model) => !model.for || !base || model.for === base);
}

export function Adapters() {
  const [choosing, setChoosing] = useState<"" | "lora" | "embedding">("");
  const loras = (draft.values.value["lora_scales"] ?? {}) as Record<string, number>;
  const changed = (scales: Record<string, number>) => draft.set("lora_scales", Object.keys(scales).length ? scales : undefined);
  const without = (name: string) => Object.fromEntries(Object.entries(loras).filter(([other]) => other !== name));
  const choose = (model: Model) => {
    if (choosing === "lora") changed(model.name in loras ? without(model.name) : { ...loras, [model.name]: USUAL_WEIGHT });
    else draft.set("text", [draft.text("text"), model.name].filter(Boolean).join(", "));
  };
  return (
    <div class="adapters">
      {Object.entries(loras).map(([name, scale]) => (
        <div class="lora" key={name}>
          <Slider label={name} value={scale} min={-1} max={MOST_WEIGHT} step={0.05} onChange={(value) => changed({ ...loras, [name]: value })} />
          <button type="button" onClick={() => changed(without(name))}>{t("remove")}</button>
          <Triggers name={name} />
        </div>
      ))}
      <div class="actions">
        <button type="button" onClick={() => setChoosing("lora")}>{t("addLora")}</button>
        <button type="button" onClick={() => setChoosing("embedding")}>{t("addEmbedding")}</button>
      </div>
      {draft.takes("styles") && <Styles />}
      {draft.takes("ip_adapter") && modelsOfFamily("ip_adapter").length > 0 && <ImagePrompt />}
      {choosing && (
        <ModelDialog title={t(choosing === "lora" ? "addLora" : "addEmbedding")} models={fitting(choosing)} chosen={Object.keys(loras)} onChoose={choose} onClose={() => setChoosing("")} />
      )}
    </div>
  );
}

/** The words to which a LoRA answers; a click adds one to the prompt. */
function Triggers(props: { name: string }) {
  const words = findModel(props.name)?.trigger_words ?? [];
  return (
    <div class="triggers">
      {words.slice(0, 6).map((word) => (
        <button key={word} type="button" onClick={() => draft.set("text", [draft.text("text"), word].filter(Boolean).join(", "))}>{word}</button>
      ))}
    </div>
  );
}

function ImagePrompt() {
  const chosen = draft.imagePrompt.value;
  return (
    <div>
      <PictureDrop
        label={t("imagePrompt")}
        picture={chosen?.picture ?? null}
        onPicture={(picture) => (draft.imagePrompt.value = picture && { picture, scale: chosen?.scale ?? USUAL_SCALE })}
      />
      {chosen && <Slider label={t("imagePromptScale")} value={chosen.scale} min={0} max={1} step={0.05} onChange={(scale) => (draft.imagePrompt.value = { ...chosen, scale })} />}
    </div>
  );
}
