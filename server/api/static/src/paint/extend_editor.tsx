// Outpainting: drag an edge of the picture outwards, or give the pixels of each side.
import { useRef } from "preact/hooks";
import * as draft from "../data/draft";
import type { Picture } from "../data/pictures";
import { t, type Word } from "../i18n";
import { Slider } from "../ui/controls";

const STEP = 8;
const MOST = 1024;
const SIDES = ["left", "right", "top", "bottom"] as const;
type Side = (typeof SIDES)[number];
const WORDS: Record<Side, Word> = { left: "addLeft", right: "addRight", top: "addTop", bottom: "addBottom" };
const OUTWARDS: Record<Side, { across: number; down: number }> = {
  left: { across: -1, down: 0 },
  right: { across: 1, down: 0 },
  top: { across: 0, down: -1 },
  bottom: { across: 0, down: 1 },
};

function change(side: Side, pixels: number): void {
  const rounded = Math.min(MOST, Math.max(0, Math.round(pixels / STEP) * STEP));
  draft.margins.value = { ...draft.margins.value, [side]: rounded };
}

export function ExtendEditor(props: { picture: Picture }) {
  const { left, right, top, bottom } = draft.margins.value;
  const { picture } = props;
  const frame = useRef<HTMLDivElement>(null);
  const drag = useRef<{ side: Side; x: number; y: number; pixels: number; scale: number } | null>(null);
  const whole = { w: picture.width + left + right, h: picture.height + top + bottom };
  const share = (pixels: number, of: number) => `${(100 * pixels) / of}%`;
  return (
    <div class="extend-editor">
      <div class="ground" ref={frame} style={{ aspectRatio: `${whole.w} / ${whole.h}` }}>
        <img
          src={picture.shown}
          alt={t("sourcePicture")}
          style={{ left: share(left, whole.w), top: share(top, whole.h), width: share(picture.width, whole.w), height: share(picture.height, whole.h) }}
        />
        {SIDES.map((side) => (
          <button
            key={side}
            type="button"
            class={`edge ${side}`}
            aria-label={t(WORDS[side])}
            onPointerDown={(event) => {
              event.currentTarget.setPointerCapture(event.pointerId);
              const scale = whole.w / frame.current!.getBoundingClientRect().width;
              drag.current = { side, x: event.clientX, y: event.clientY, pixels: draft.margins.value[side], scale };
            }}
            onPointerMove={(event) => {
              const start = drag.current;
              if (!start || start.side !== side) return;
              const { across, down } = OUTWARDS[side];
              const moved = ((event.clientX - start.x) * across + (event.clientY - start.y) * down) * start.scale;
              change(side, start.pixels + moved);
            }}
            onPointerUp={() => (drag.current = null)}
            onPointerCancel={() => (drag.current = null)}
            onKeyDown={(event) => {
              const { across, down } = OUTWARDS[side];
              const keys: Record<string, number> = { ArrowRight: across, ArrowLeft: -across, ArrowDown: down, ArrowUp: -down };
              if (!keys[event.key]) return;
              event.preventDefault();
              change(side, draft.margins.value[side] + keys[event.key]! * STEP);
            }}
          />
        ))}
      </div>
      <div class="margins">
        {SIDES.map((side) => (
          <Slider key={side} label={t(WORDS[side])} value={draft.margins.value[side]} min={0} max={MOST} step={STEP} onChange={(pixels) => change(side, pixels)} />
        ))}
      </div>
      <p class="hint">{t("extendHint", { width: whole.w, height: whole.h })}</p>
    </div>
  );
}
