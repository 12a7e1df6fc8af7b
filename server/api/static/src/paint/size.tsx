// Width and height: by ratio, by swapping, or by number.
import * as draft from "../data/draft";
import { t } from "../i18n";
import { IconButton, Slider } from "../ui/controls";

const RATIOS = ["1:1", "4:3", "3:2", "16:9", "3:4", "2:3", "9:16"] as const;
const STEP = 8;
const LARGEST = 2048;

/** The sides of a ratio with about as many pixels as a square of `side`, in multiples of 8. */
export function sidesOf(ratio: string, side: number): { w: number; h: number } {
  const [across, down] = ratio.split(":").map(Number) as [number, number];
  const factor = side / Math.sqrt(across * down);
  const rounded = (length: number) => Math.round((length * factor) / STEP) * STEP;
  return { w: rounded(across), h: rounded(down) };
}

export function Size() {
  const { w, h } = draft.size.value;
  const side = draft.model.value?.side ?? 512;
  const change = (sides: { w: number; h: number }) => {
    draft.set("w", sides.w);
    draft.set("h", sides.h);
  };
  const smallest = Math.min(64, side);
  return (
    <fieldset class="size">
      <legend>{t("size")}</legend>
      <div class="ratios">
        {RATIOS.map((ratio) => {
          const sides = sidesOf(ratio, side);
          return (
            <button key={ratio} type="button" aria-pressed={sides.w === w && sides.h === h} onClick={() => change(sides)}>{ratio}</button>
          );
        })}
        <IconButton word="swapSides" icon="swap" onClick={() => change({ w: h, h: w })} />
      </div>
      <Slider label={t("width")} field="w" value={w} min={smallest} max={LARGEST} step={STEP} onChange={(value) => draft.set("w", value)} />
      <Slider label={t("height")} field="h" value={h} min={smallest} max={LARGEST} step={STEP} onChange={(value) => draft.set("h", value)} />
    </fieldset>
  );
}
